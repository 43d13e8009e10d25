import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { archiveName, packed, unpacked } from '../../generator/archive.ts'
import type { UpdateResult } from '../../generator/update/result.ts'
import { repository } from './create.ts'

/** Texts by path; undefined removes the file. */
export type Texts = Readonly<Record<string, string | Buffer | undefined>>

export let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mainstem-update-'))
  // What npm hoisted resolves from here, as if it were installed in each service.
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** This package as `version`, with other files in its templates. Those of `executable` may be executed. @returns its folder */
export function packageOf(
  version: string,
  templates: Texts = {},
  executable: readonly string[] = [],
): string {
  const made = mkdtempSync(join(folder, 'package-'))
  mkdirSync(join(made, 'dist'))
  for (const file of ['bin.js', 'main.js'])
    copyFileSync(join(repository, 'dist', file), join(made, 'dist', file))
  const files = unpacked(readFileSync(join(repository, 'dist', archiveName)))
  for (const [path, text] of Object.entries(templates)) {
    if (text === undefined) files.delete(path)
    else files.set(path, { bytes: Buffer.from(text), executable: executable.includes(path) })
  }
  writeFileSync(join(made, 'dist', archiveName), packed(files))
  const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as object
  writeFileSync(join(made, 'package.json'), JSON.stringify({ ...manifest, version }))
  return made
}

/** The text of a template, by its path below templates/. */
export function templateOf(path: string): string {
  return readFileSync(join(repository, 'templates', path), 'utf8')
}

/** Every template, by its path below templates/. */
export function templatesOf(): { path: string; text: string }[] {
  const files = unpacked(readFileSync(join(repository, 'dist', archiveName)))
  return [...files].map(([path, { bytes }]) => ({ path, text: bytes.toString('utf8') }))
}

/** Writes the files below a folder, or removes them. */
export function writeAll(root: string, texts: Texts): void {
  for (const [path, text] of Object.entries(texts)) {
    if (text === undefined) rmSync(join(root, path))
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
  }
}

/** Creates a service with the package, and commits it. @returns its folder */
export function created(from: string, ...flags: string[]): string {
  const service = join(mkdtempSync(join(folder, 'service-')), 'my-service')
  const args = [
    join(from, 'dist/bin.js'),
    service,
    '--yes',
    '--no-install',
    '--no-git',
    '--pm',
    'npm',
    ...flags,
  ]
  execFileSync(process.execPath, args)
  return service
}

/** Makes the service a repository with one commit of all its files, or adds a commit. */
export function commit(service: string): void {
  if (!readdirSync(service).includes('.git')) git(service, 'init', '--quiet', '--initial-branch=main')
  git(service, 'add', '--all')
  git(service, 'commit', '--quiet', '--allow-empty', '--message', 'state')
}

export function git(cwd: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.com', '-c', 'core.autocrlf=false']
  return execFileSync('git', [...identity, ...args], { cwd, encoding: 'utf8' })
}

export interface Updated {
  code: number | null
  out: string
  err: string
}

/** Runs `create-mainstem update` of the package in the service. No registry answers. */
export function update(
  from: string,
  service: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Updated {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(from, 'dist/bin.js'), 'update', ...args],
    {
      cwd: service,
      encoding: 'utf8',
      env: {
        ...process.env,
        npm_config_registry: 'http://127.0.0.1:9/',
        npm_config_fetch_retries: '0',
        ...env,
      },
    },
  )
  return { code: status, out: stdout, err: stderr }
}

/** The object that `update --json` printed. */
export function resultOf({ out }: Updated): UpdateResult {
  return JSON.parse(out) as UpdateResult
}

/** How the result names what happened to a file. */
export function changeOf(result: UpdateResult, path: string): string | undefined {
  return result.files.find((file) => file.path === path)?.change
}

/** Every file of the service by path, without node_modules, git's files and .data. */
export function filesOf(service: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const entry of readdirSync(service, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(service.length + 1)
    if (/^(?:node_modules|\.git|\.data)(?:\/|$)/.test(path) || !entry.isFile()) continue
    files[path] = readFileSync(join(service, path), 'latin1')
  }
  return files
}
