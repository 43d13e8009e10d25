/**
 * `npm run nodes [-- 22 24]`: a created service's types and tests on each supported line of Node, installed from npm into a
 * temporary folder. Prints a table of the commands, their seconds and their results. Exits with 1 if one fails.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { markdownTable } from '../support/markdown.ts'
import { installNode } from '../support/nodes.ts'
import { requireEach } from '../support/arguments.ts'

const repository = join(import.meta.dirname, '../..')
const lines = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', '26']
requireEach('nodes', lines, /^\d+$/, 'a line of Node, such as 24')
const scratch = mkdtempSync(join(tmpdir(), 'mainstem-nodes-'))
const service = join(scratch, 'my-service')

const rows: string[][] = []
try {
  const { env } = process
  run(process.version, ['run', 'create', '--', service, '--yes', '--no-git'], repository, env)
  for (const line of lines) {
    const path = `${installNode(scratch, line)}${delimiter}${env['PATH'] ?? ''}`
    // From Node 24 on, fetch and http obey these, but no request to this machine may go through a proxy.
    const proxy = {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: 'http://127.0.0.1:1',
      HTTPS_PROXY: 'http://127.0.0.1:1',
    }
    const own = { ...env, ...proxy, PATH: path }
    const version = spawnSync('node', ['--version'], { env: own, encoding: 'utf8' }).stdout.trim()
    for (const script of ['check', 'test', 'verify']) run(version, ['run', script], service, own)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(`\n${markdownTable(['Node', 'command', 'seconds', ''], rows)}`)
process.exitCode = rows.every(([, , , result]) => result === 'ok') ? 0 : 1

function run(version: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): void {
  const startedAt = performance.now()
  const ok = spawnSync('npm', args, { cwd, env, stdio: 'inherit' }).status === 0
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0)
  const shown = `npm ${args.join(' ')}`.replace(service, 'my-service')
  console.log(`— Node ${version}, ${shown}: ${ok ? 'ok' : 'FAILED'}, ${seconds} s`)
  rows.push([version, `\`${shown}\``, seconds, ok ? 'ok' : 'FAILED'])
}
