import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Plan } from './plan.ts'

/** drizzle-kit answers in a second or two; one that takes longer than this waits for something that will not come. */
const longestMs = 60_000

/** What drizzle-kit reads: the rest of the service is of no use to it. */
const needed = ['package.json', 'tsconfig.json', 'drizzle.config.ts', 'src', 'drizzle']

/**
 * Plans the migration for the schema as the plan leaves it: the service's own drizzle-kit runs on a copy of the service, which lies
 * inside its folder so that its dependencies resolve, and is gone afterwards. It needs no database. No migration is planned when the
 * schema asks for none. Throws an Error of one sentence with drizzle-kit's last lines; an aborted signal ends it.
 */
export async function migrate(plan: Plan, name: string, signal: AbortSignal): Promise<void> {
  const data = join(plan.root, '.data')
  const made = await mkdir(data, { recursive: true })
  const copy = await mkdtemp(join(data, 'add-'))
  try {
    for (const path of needed)
      await cp(join(plan.root, path), join(copy, path), { recursive: true }).catch(unlessMissing)
    for (const { path, after } of plan.changes()) {
      await mkdir(dirname(join(copy, path)), { recursive: true })
      await writeFile(join(copy, path), after)
    }
    await runDrizzleKit(plan.root, copy, name, signal)
    for (const file of await filesOf(join(copy, 'drizzle'))) {
      await plan.edit(`drizzle/${file}`, await readFile(join(copy, 'drizzle', file), 'utf8'))
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
    // Only if nothing else has come to lie in it meanwhile.
    if (made !== undefined) await rmdir(data).catch(() => undefined)
  }
}

async function runDrizzleKit(root: string, cwd: string, name: string, signal: AbortSignal): Promise<void> {
  const bin = join(dirname(createRequire(join(root, 'package.json')).resolve('drizzle-kit')), 'bin.cjs')
  const child = spawn(process.execPath, [bin, 'generate', '--name', name], {
    cwd,
    signal,
    timeout: longestMs,
    killSignal: 'SIGKILL',
    // Without a terminal it cannot ask whether a table was renamed, and fails instead of waiting.
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0 || /error/i.test(output)) {
    const lines = output.split('\n').filter((line) => line.trim() !== '')
    throw new Error(`drizzle-kit could not make the migration: ${lines.slice(-3).join(' ').trim()}`)
  }
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}

function unlessMissing(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'ENOENT') throw cause
}
