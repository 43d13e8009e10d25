import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { register } from 'tsx/esm/api'
import { afterAll, beforeAll, expect } from 'vitest'
import { isLeftover, linkTree } from './link-tree.ts'

export const repository = join(import.meta.dirname, '../..')
const template = join(repository, 'templates/service')

/** It has a record, which a copy of the skeleton lacks. */
export const sample = join(repository, 'sample-service')

export let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mainstem-add-'))
  // What npm hoisted resolves from here, as it does from the template's own place.
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => {
  try {
    for (const { copy, tree } of bases.values()) expect(treeOf(copy), 'written through a link').toEqual(tree)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** A copy of each folder from which services are made, and its content. */
const bases = new Map<string, { copy: string; tree: ReadonlyMap<string, string> }>()

/**
 * A service with the files at `from`, by default the one that the create command emits without the example. They are links to one
 * copy, because most of the time of a copy goes into making files. To change one, replace it, as `edit` and `npm run add` do.
 */
export function newService(from = template): string {
  const service = mkdtempSync(join(folder, 'service-'))
  linkTree(from.startsWith(folder) ? from : baseOf(from), service)
  const nested = join(from, 'node_modules')
  if (existsSync(nested)) cpSync(nested, join(service, 'node_modules'), { recursive: true })
  return service
}

function baseOf(from: string): string {
  const known = bases.get(from)
  if (known !== undefined) return known.copy
  const copy = mkdtempSync(join(folder, 'base-'))
  for (const name of readdirSync(from).filter((name) => !isLeftover(name)))
    cpSync(join(from, name), join(copy, name), { recursive: true })
  bases.set(from, { copy, tree: treeOf(copy) })
  return copy
}

/** A service as the create command emits it now, by default with the example. global-setup.ts compiles the command. */
export function emittedService(name = 'my-service', ...flags: string[]): string {
  const emitted = join(mkdtempSync(join(folder, 'emitted-')), name)
  const all = ['--yes', '--no-install', '--no-git', '--pm', 'npm', ...flags]
  execFileSync(process.execPath, [join(repository, 'dist/main.js'), emitted, ...all])
  return emitted
}

export interface Result {
  code: number | null
  out: string
  err: string
}

export const command = ['--import', 'tsx', 'generators/engine/add.ts']

/** Starts `npm run add` of the service as a process. */
export function startAdd(service: string, ...args: string[]): Result {
  const env = { ...process.env, npm_config_dry_run: '' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [...command, ...args], {
    cwd: service,
    env,
    encoding: 'utf8',
  })
  return { code: status, out: stdout, err: stderr }
}

/** Loads TypeScript as `npm run add` does. vite would load every copy of generators/ again. */
const tsx = register({ namespace: 'add' })

/**
 * Runs `npm run add` of the service in this process: a process of its own takes two seconds, most of them to load the compiler.
 * A change of generators/ after the first run has no effect: start a process then.
 */
export async function add(service: string, ...args: string[]): Promise<Result> {
  const path = pathToFileURL(join(service, 'generators/engine/run-add.ts')).href
  const { runAdd } = (await tsx.import(
    path,
    import.meta.url,
  )) as typeof import('../../templates/service/generators/engine/run-add.ts')
  const result: Result = { code: null, out: '', err: '' }
  const env = { ...process.env, npm_config_dry_run: '' }
  const code = await runAdd(args, {
    env,
    stop: new AbortController().signal,
    terminal: false,
    out: (text) => (result.out += text),
    err: (text) => (result.err += text),
  })
  return { ...result, code }
}

/** A copy of the service at `from` that has a client, so that tests can start one that calls another. */
export async function serviceWithClient(from: string): Promise<string> {
  const service = newService(from)
  const { code, err } = await add(service, 'client', 'peer', '--base-url', 'http://peer')
  if (code !== 0) throw new Error(err)
  return service
}

/** Runs each program of the service's dependencies in its folder, with `env` beside this process's; all must succeed. */
export function runAll(service: string, runs: [string, ...string[]][], env: NodeJS.ProcessEnv = {}): void {
  for (const [bin, ...args] of runs) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(repository, 'node_modules', bin), ...args],
      {
        cwd: service,
        encoding: 'utf8',
        env: { ...process.env, NODE_ENV: 'test', ...env },
        maxBuffer: 2 ** 28,
      },
    )
    expect(status, `${bin}\n${stdout}${stderr}`).toBe(0)
  }
}

/** Every path of the service, folders too, with the contents of the files. */
export function treeOf(service: string): Map<string, string> {
  const tree = new Map<string, string>()
  for (const entry of readdirSync(service, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (path.startsWith(join(service, 'node_modules'))) continue
    tree.set(path.slice(service.length + 1), entry.isFile() ? readFileSync(path, 'utf8') : '')
  }
  return tree
}

/** The tree of a service without its migrations: what has been migrated stays in the history. */
export function withoutMigrations(service: string): ReadonlyMap<string, string> {
  return new Map([...treeOf(service)].filter(([path]) => !path.startsWith('drizzle/')))
}

/** Changes one file of the service, which may not exist yet. The new text is a new file: the old one may be a link. */
export function edit(service: string, path: string, change: (text: string) => string): void {
  const full = join(service, path)
  mkdirSync(dirname(full), { recursive: true })
  const text = change(existsSync(full) ? readFileSync(full, 'utf8') : '')
  rmSync(full, { force: true })
  writeFileSync(full, text)
}
