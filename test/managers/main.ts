/**
 * `npm run managers [-- npm pnpm@12/24 yarn@4]`: the first hour with each package manager, from the tarball: create a service,
 * install it again as CI does, `dev` with ten requests, add a resource, migrate, print the configuration, check, lint, test,
 * build, start, doctor, update. Behind a slash may come a line of Node. Managers and Nodes come from npm into a temporary folder.
 * Prints a table of the commands, their seconds and the last line of each. Exits with 1 if one failed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childEnvironment } from '../../generator/package-manager.ts'
import { requireEach } from '../support/arguments.ts'
import { markdownTable } from '../support/markdown.ts'
import { installNode } from '../support/nodes.ts'
import { installManager } from '../support/package-managers.ts'
import { walk, type Name, type Row } from './walk.ts'

const repository = join(import.meta.dirname, '../..')
const all = ['npm', 'npm/22', 'npm/24', 'npm/26', 'pnpm@12/24', 'pnpm@10', 'pnpm@9', 'yarn@4', 'bun@1']
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all
requireEach(
  'managers',
  chosen,
  /^(npm|pnpm|yarn|bun)(@[\w.]+)?(\/\d+)?$/,
  'a package manager, such as pnpm@12/24',
)

const scratch = mkdtempSync(join(tmpdir(), 'mainstem-managers-'))
const rows: Row[] = []
try {
  const creator = installTarball()
  for (const one of chosen) {
    const [manager = '', line] = one.split('/')
    const [name, version = ''] = manager.split('@') as [Name, string?]
    const folders = [
      ...(name === 'npm' ? [] : [await installManager(scratch, name, version)]),
      ...(line === undefined ? [] : [installNode(scratch, line)]),
    ]
    const who = line === undefined ? manager : `${manager} on Node ${line}`
    rows.push(...(await walk({ name, who, folders, creator }, scratch)))
  }
  const lines = rows.map(({ who, shown, seconds, ok, said }) => [
    who,
    `\`${shown}\``,
    seconds,
    ok ? 'ok' : 'FAILED',
    said,
  ])
  const title = ['manager', 'command', 'seconds', '', 'its last line']
  console.log(`\n${markdownTable(title, lines)}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exitCode = rows.length > 0 && rows.every(({ ok }) => ok) ? 0 : 1

/** Packs this repository and installs the tarball. @returns the path of create-mainstem */
function installTarball(): string {
  npm('pack', '--no-ignore-scripts', '--no-dry-run', '--workspaces=false', '--pack-destination', scratch)
  const tarball = readdirSync(scratch).find((file) => file.endsWith('.tgz')) ?? ''
  const home = join(scratch, 'creator')
  npm('install', '--prefix', home, '--no-audit', '--no-fund', '--prefer-offline', join(scratch, tarball))
  return join(home, 'node_modules/.bin/create-mainstem')
}

function npm(...args: string[]): void {
  const options = { cwd: repository, env: childEnvironment(process.env) }
  const { status } = spawnSync('npm', args, { ...options, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed`)
}
