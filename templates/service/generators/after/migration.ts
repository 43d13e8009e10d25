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
 * no database. No migration is planned where the plan adds no schema. Throws an Error of one sentence if drizzle-kit fails or asks
 * a question, if the migration would not be of this table alone, or if SIGINT or SIGTERM ended drizzle-kit.
 */
export async function migrate(plan: Plan, name: string): Promise<void> {
  if (!plan.changes().some(({ path }) => path.endsWith('.schema.ts'))) return
  await withCopy(plan.root, needed, async (copy, signal) => {
    const pending = await generate(plan.root, copy, 'pending', signal)
    if (pending === 'made') {
      throw new Error('The schema has changes without a migration: make one first (npm run db:generate).')
    }
    // With no schema at all drizzle-kit compares nothing, so it does not see that a table is gone.
    const lost = pending === 'no schema' ? await lostTables(copy) : []
    if (lost.length > 0) {
      throw new Error(
        `drizzle/ has ${listOf(lost)}, which no src/*/*.schema.ts declares: restore the schema, or delete the migration as README.md says under "Remove the documents".`,
      )
    }
    await writePlanned(plan, copy)
    if ((await generate(plan.root, copy, name, signal)) !== 'made') {
      throw new Error(`The schema already has a table ${name}: choose another noun.`)
    }
    for (const file of await filesOf(join(copy, 'drizzle'))) {
      await plan.edit(`drizzle/${file}`, await readFile(join(copy, 'drizzle', file), 'utf8'))
    }
  })
}

type Generated = 'made' | 'no change' | 'no schema'

/** Runs drizzle-kit in `cwd`; reports whether it made a migration, or why it had none to make. */
async function generate(root: string, cwd: string, name: string, signal: AbortSignal): Promise<Generated> {
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
  if (output.includes('Your SQL migration')) return 'made'
  if (output.includes('nothing to migrate')) return 'no change'
  if (output.includes('No schema files found')) return 'no schema'
  if (output.includes('Interactive prompts require a TTY')) {
    const lost = await lostTables(cwd)
    const why = lost.length > 0 ? ` (drizzle/ has ${listOf(lost)}, which no schema declares)` : ''
    throw new Error(
      `drizzle-kit asks whether a table or a column was renamed${why}: answer it in a terminal with npm run db:generate, then add again.`,
    )
  }
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const why =
    lines.find((line) => /^\s*\w*Error\b/.test(line)) ?? lines.at(-1) ?? `exit code ${code ?? 'none'}`
  throw new Error(
    `drizzle-kit could not make the migration (${why.trim().replace(/\s+/g, ' ')}): npm run db:generate says more.`,
  )
}

/** The tables of the newest snapshot in drizzle/ whose names stand in no schema of the service. */
async function lostTables(service: string): Promise<string[]> {
  const meta = join(service, 'drizzle/meta')
  const newest = (await filesOf(meta)).filter((file) => file.endsWith('_snapshot.json')).at(-1)
  if (newest === undefined) return []
  const snapshot = JSON.parse(await readFile(join(meta, newest), 'utf8')) as {
    tables: Record<string, { name: string }>
  }
  const schemas = (await filesOf(join(service, 'src'))).filter((file) => file.endsWith('.schema.ts'))
  const texts = await Promise.all(schemas.map((file) => readFile(join(service, 'src', file), 'utf8')))
  const tables = Object.values(snapshot.tables).map(({ name }) => name)
  const names = (text: string, table: string): boolean =>
    ["'", '"', '`'].some((quote) => text.includes(quote + table + quote))
  return tables.filter((table) => !texts.some((text) => names(text, table)))
}

function listOf(tables: readonly string[]): string {
  return `the ${tables.length === 1 ? 'table' : 'tables'} ${tables.join(', ')}`
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
