import { existsSync, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { removeEmptyFolder } from '../../templates/service/generators/engine/lock.ts'
import type { Replay } from '../../templates/service/generators/engine/replay.ts'
import {
  renderRecord,
  recordPath,
  withLf,
  type ServiceRecord,
} from '../../templates/service/generators/engine/record.ts'
import { withoutCancel, type Context } from '../../templates/service/src/context/context.ts'
import { execute, lastLines } from '../command.ts'
import { throwIfEnded } from '../ended.ts'
import { Failure } from '../failure.ts'
import { childEnvironment } from '../package-manager.ts'
import type { PlannedFile } from '../tree.ts'

/** The folder in the service where an update keeps its files. */
export const workFolder = '.data/update'

/** The folders of a service that the generators and the scripts of its pages read. */
const folders = ['docs', 'generators', 'lint', 'scripts', 'src', 'test']

/** No program of a service reads larger files at its top. */
const largestBytes = 1_000_000

/** Files to write into a copy; undefined removes a file. */
export type Overlay = ReadonlyMap<string, PlannedFile | undefined>

/**
 * Runs `work` with a copy of the service in which the files of `overlay` are written. It lies inside the service's folder, so
 * that its packages resolve, and is removed afterwards.
 */
export async function withCopy<T>(
  ctx: Context,
  root: string,
  overlay: Overlay,
  work: (ctx: Context, copy: string) => Promise<T>,
): Promise<T> {
  refuseOutside(root)
  const made = firstMissing(root)
  await mkdir(join(root, workFolder), { recursive: true })
  const copy = await mkdtemp(join(root, workFolder, 'copy-'))
  try {
    for (const name of topLevel(root)) {
      throwIfEnded(ctx)
      // Copies the targets of links, so that no program writes through a link.
      await cp(join(root, name), join(copy, name), {
        recursive: true,
        dereference: true,
        filter: (path) => !/[\\/]node_modules$/.test(path) && isBelow(path),
      })
    }
    await makeWritable(ctx, copy)
    await writeOverlay(ctx, copy, overlay)
    return await work(ctx, copy)
  } finally {
    await removeCopy(withoutCancel(ctx), root, copy, made)
  }
}

/** @throws Failure if the copy would lie outside of the service's folder, where its packages do not resolve */
function refuseOutside(root: string): void {
  const service = `${realpathSync(root)}${sep}`
  const outside = ['.data', workFolder]
    .filter((path) => existsSync(join(root, path)))
    .find((path) => !realpathSync(join(root, path)).startsWith(service))
  if (outside === undefined) return
  throw new Failure(
    `${outside} is a link out of the service, where update cannot run the service's generators: replace the link by a folder`,
  )
}

/** Makes read-only files and folders of the copy writable, so that they can be changed and removed. */
async function makeWritable(ctx: Context, copy: string): Promise<void> {
  for (const entry of await readdir(copy, { recursive: true, withFileTypes: true })) {
    throwIfEnded(ctx)
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o700 : 0o600)
  }
}

/** Writes the files into a copy, or removes those that are undefined. */
export async function writeOverlay(ctx: Context, copy: string, overlay: Overlay): Promise<void> {
  for (const [path, file] of overlay) {
    throwIfEnded(ctx)
    const target = join(copy, path)
    if (file === undefined) await rm(target, { force: true })
    else {
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, file.bytes)
    }
  }
}

/** Stamps every piece of `record` with the generators of the copy. @throws Failure if they cannot be run */
export async function replay(ctx: Context, copy: string, record: ServiceRecord): Promise<Replay> {
  await writeFile(join(copy, recordPath), renderRecord(record))
  const { code, stdout, output } = await run(ctx, copy, ['generators/engine/replay.ts'])
  if (code === 0) return withoutCr(JSON.parse(stdout) as Replay)
  throw new Failure(
    'the generators of the service cannot be run, so its pieces cannot be updated: fix the generators first',
    {
      output: lastLines(output, 20),
    },
  )
}

/** In a checkout with CRLF the generators stamp CRLF. */
function withoutCr({ stampings, skipped }: Replay): Replay {
  const unix = (files: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(files).map(([path, text]) => [path, withLf(text)]))
  return { stampings: stampings.map((one) => ({ ...one, files: unix(one.files) })), skipped }
}

/** The programs that write pages, and the files after whose change they must run. */
const pagePrograms = [
  {
    script: 'scripts/pages/config.ts',
    args: ['--write'],
    inputs: /^(?:README\.md|\.env\.example|src\/config\.ts)$/,
  },
  {
    script: 'scripts/pages/guarantees.ts',
    args: [],
    inputs: /^(?:docs\/guarantees\.md$|test\/guarantees\/)/,
  },
] as const

/**
 * Runs in the copy each program of the service that writes pages from one of the `changed` files. Returns the pages, and the
 * reason for each that could not be written.
 */
export async function renderedPages(
  ctx: Context,
  copy: string,
  changed: readonly string[],
): Promise<{ files: ReadonlyMap<string, string>; failed: readonly string[] }> {
  const failed: string[] = []
  for (const { script, args, inputs } of pagePrograms) {
    if (!changed.some((path) => inputs.test(path)) || !existsSync(join(copy, script))) continue
    const { code, output } = await run(ctx, copy, [script, ...args])
    if (code !== 0) failed.push(`${script}: ${reasonIn(output)}`)
  }
  const files = new Map<string, string>()
  for (const path of ['README.md', '.env.example', 'docs/guarantees.md'])
    if (existsSync(join(copy, path))) files.set(path, withLf(await readFile(join(copy, path), 'utf8')))
  return { files, failed }
}

/** The message of a failed program's error, without the stack. */
function reasonIn(output: string): string {
  return /^\w*(?:Error|config|guarantees)\b[^:\n]*: (.+)$/m.exec(output)?.[1] ?? lastLines(output, 1)
}

async function run(ctx: Context, copy: string, args: readonly string[]) {
  const env = childEnvironment(process.env)
  return execute(ctx, process.execPath, ['--import', './scripts/tsx.js', ...args], { cwd: copy, env })
}

function topLevel(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) =>
      entry.isDirectory() ? folders.includes(entry.name) : entry.isFile() && isSmall(join(root, entry.name)),
    )
    .map(({ name }) => name)
    .filter((name) => name !== '.env')
}

/** Whether a path exists and is no link to a folder that contains it. */
function isBelow(path: string): boolean {
  if (!existsSync(path)) return false
  return (
    !lstatSync(path).isSymbolicLink() || !`${dirname(path)}${sep}`.startsWith(`${realpathSync(path)}${sep}`)
  )
}

function isSmall(path: string): boolean {
  return statSync(path).size <= largestBytes
}

/** The outermost folder of `workFolder` that does not exist yet. */
function firstMissing(root: string): string | undefined {
  return ['.data', workFolder].map((path) => join(root, path)).find((path) => !existsSync(path))
}

async function removeCopy(
  _ctx: Context,
  root: string,
  copy: string,
  made: string | undefined,
): Promise<void> {
  await rm(copy, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  if (made === undefined) return
  for (const folder of [join(root, workFolder), join(root, '.data')]) {
    // The folder was there before, so it stays.
    if (!folder.startsWith(made)) return
    removeEmptyFolder(folder)
    if (existsSync(folder)) return
  }
}
