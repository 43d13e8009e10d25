/**
 * `npm run managers [-- pnpm@12 yarn@4]`: the first hour with each package manager, from the tarball: create a service, install it
 * again as CI does, check, lint, test one guarantee, build, add a route. Each manager comes from npm into a temporary folder.
 * Prints a table of the commands, their seconds and the last line of each. Exit 1 if one failed.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { childEnvironment } from '../../generator/package-manager.ts'
import { installManager } from '../support/package-managers.ts'

const repository = join(import.meta.dirname, '../..')
const chosen =
  process.argv.length > 2 ? process.argv.slice(2) : ['npm', 'pnpm@12', 'pnpm@10', 'pnpm@9', 'yarn@4', 'bun@1']
const guarantee = 'test/guarantees/hang-up.test.ts'

type Name = 'npm' | 'pnpm' | 'yarn' | 'bun'

/** The install command in the workflow of a service with this manager. */
const frozen: Record<Name, string[]> = {
  npm: ['ci', '--ignore-scripts'],
  pnpm: ['install', '--frozen-lockfile', '--ignore-scripts'],
  yarn: ['install', '--immutable'],
  bun: ['install', '--frozen-lockfile', '--ignore-scripts'],
}

const scratch = mkdtempSync(join(tmpdir(), 'mainstem-managers-'))
let red = 0
try {
  const creator = installTarball()
  const rows: string[][] = []
  for (const manager of chosen) {
    const [name, version = ''] = manager.split('@') as [Name, string?]
    const folder = name === 'npm' ? undefined : await installManager(scratch, name, version)
    rows.push(...walk(name, manager, creator, folder))
  }
  const title = ['manager', 'command', 'seconds', '', 'its last line']
  console.log(`\n${[title, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exitCode = red === 0 ? 0 : 1

/** Every command of the walk with one package manager, as rows of the table. */
function walk(name: Name, manager: string, creator: string, folder: string | undefined): string[][] {
  const home = join(scratch, `with-${manager}`)
  const service = join(home, 'my-service')
  mkdirSync(home)
  const path = folder === undefined ? '' : `${folder}${delimiter}`
  const env = { ...childEnvironment(process.env), PATH: `${path}${process.env['PATH'] ?? ''}`, NO_COLOR: '1' }
  const script = (...words: string[]): string[] => {
    const [first = '', ...rest] = words
    return [name, 'run', first, ...(name === 'npm' && rest.length > 0 ? ['--', ...rest] : rest)]
  }
  const call = (line: string[], cwd = service, extra: NodeJS.ProcessEnv = {}): string[] => {
    const [program = '', ...args] = line
    const startedAt = performance.now()
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd,
      env: { ...env, ...extra },
      encoding: 'utf8',
    })
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    if (status !== 0) {
      red++
      console.log(`${stdout}${stderr}`)
    }
    const said =
      stdout
        .split('\n')
        .filter((text) => text.trim() !== '')
        .at(-1)
        ?.trim() ?? ''
    const shown = line.join(' ').replace(creator, 'create-mainstem')
    console.log(`— ${manager}: ${shown}: ${status === 0 ? 'ok' : 'FAILED'}, ${seconds} s`)
    return [manager, `\`${shown}\``, seconds, status === 0 ? 'ok' : 'FAILED', said.slice(0, 90)]
  }

  return [
    call([creator, 'my-service', '--yes', '--pm', name], home),
    // As in CI, from the files in git alone.
    call(['git', 'clean', '-fdxq']),
    call([name, ...frozen[name]], service, { CI: 'true' }),
    call(script('check')),
    call(script('lint')),
    call(script('test', guarantee)),
    call(script('build')),
    call(script('add', 'route', 'status', '--yes')),
    call(script('test', 'src/status')),
    call([
      'git',
      'diff',
      '--exit-code',
      '--stat',
      '--',
      'package.json',
      ':(glob)*lock*',
      'pnpm-workspace.yaml',
    ]),
  ]
}

/** Packs this repository and installs the tarball. @returns the path of create-mainstem */
function installTarball(): string {
  const env = childEnvironment(process.env)
  const npm = (...args: string[]): void => {
    const { status } = spawnSync('npm', args, {
      cwd: repository,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    if (status !== 0) throw new Error(`npm ${args.join(' ')} failed`)
  }
  npm('pack', '--no-ignore-scripts', '--no-dry-run', '--workspaces=false', '--pack-destination', scratch)
  const tarball = readdirSync(scratch).find((file) => file.endsWith('.tgz')) ?? ''
  const home = join(scratch, 'creator')
  npm('install', '--prefix', home, '--no-audit', '--no-fund', '--prefer-offline', join(scratch, tarball))
  return join(home, 'node_modules/.bin/create-mainstem')
}
