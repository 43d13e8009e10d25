import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { withCopy, writePlanned } from '../engine/copy.ts'
import type { Plan } from '../engine/plan.ts'

/** drizzle-kit takes a second or two; one that takes longer than this is stuck. */
const longestMs = 60_000

/** What drizzle-kit reads of the service. */
const needed = ['package.json', 'tsconfig.json', 'drizzle.config.ts', 'src', 'drizzle']

/**
 * Plans the migration for the schema as the plan leaves it: the service's own drizzle-kit runs on a copy of the service. It needs
 * no database. No migration is planned where the plan adds no schema. Throws an Error of one sentence if drizzle-kit fails, if
 * the migration would not be of this table alone, or if SIGINT or SIGTERM ended drizzle-kit.
 */
export async function migrate(plan: Plan, name: string): Promise<void> {
  if (!plan.changes().some(({ path }) => path.endsWith('.schema.ts'))) return
  await withCopy(plan.root, needed, async (copy, signal) => {
    if (await generate(plan.root, copy, 'pending', signal)) {
      throw new Error('The schema has changes without a migration: make one first (npm run db:generate).')
    }
    await writePlanned(plan, copy)
    if (!(await generate(plan.root, copy, name, signal))) {
      throw new Error(`The schema already has a table ${name}: choose another noun.`)
    }
    for (const file of await filesOf(join(copy, 'drizzle'))) {
      await plan.edit(`drizzle/${file}`, await readFile(join(copy, 'drizzle', file), 'utf8'))
    }
  })
}

/** Runs drizzle-kit in `cwd`; reports whether it made a migration. */
async function generate(root: string, cwd: string, name: string, signal: AbortSignal): Promise<boolean> {
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
  // drizzle-kit exits with 0 after most failures, so success is read from its output.
  if (output.includes('Your SQL migration')) return true
  if (/nothing to migrate|No schema files found/.test(output)) return false
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const why =
    lines.find((line) => /^\s*\w*Error\b/.test(line)) ?? lines.at(-1) ?? `exit code ${code ?? 'none'}`
  throw new Error(
    `drizzle-kit could not make the migration (${why.trim().replace(/\s+/g, ' ')}): npm run db:generate says more.`,
  )
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
