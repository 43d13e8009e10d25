import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from '../../scripts/postgres/drizzle-kit.ts'
import { withCopy, writePlanned } from '../engine/copy.ts'
import type { Plan } from '../engine/plan.ts'

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
    const pending = await refusePending(plan.root, copy, signal)
    // With no schema at all drizzle-kit compares nothing, so it does not see that a table is gone.
    const lost = pending === 'no schema' ? await lostTables(copy) : []
    if (lost.length > 0) {
      throw new Error(
        `drizzle/ has ${listOf(lost)}, which no src/*/*.schema.ts declares: restore the schema, or delete the migration as README.md says under "Remove the documents".`,
      )
    }
    await writePlanned(plan, copy)
    const made = await generate(plan.root, { cwd: copy, args: ['--name', name], signal })
    if (made === 'asked') throw await asksForRenames(copy)
    if (made !== 'made') {
      throw new Error(`The schema already has a table ${name}: choose another noun.`)
    }
    await takeMigrations(plan, copy)
  })
}

/**
 * Plans the migration that drops the tables whose schemas the plan removes. Throws an Error of one sentence as `migrate` does.
 */
export async function dropTables(plan: Plan, name: string): Promise<void> {
  const gone = plan.changes().filter(({ path, after }) => after === undefined && path.endsWith('.schema.ts'))
  if (gone.length === 0) return
  await withCopy(plan.root, needed, async (copy, signal) => {
    await refusePending(plan.root, copy, signal)
    await writePlanned(plan, copy)
    // Without any schema drizzle-kit compares nothing.
    await mkdir(join(copy, 'src/none'))
    await writeFile(join(copy, 'src/none/none.schema.ts'), 'export {}\n')
    const made = await generate(plan.root, { cwd: copy, args: ['--name', name], signal })
    if (made === 'asked') throw await asksForRenames(copy)
    await takeMigrations(plan, copy)
  })
}

/** Throws an Error of one sentence if the schema on disk has changes without a migration. */
async function refusePending(root: string, copy: string, signal: AbortSignal): Promise<'none' | 'no schema'> {
  const pending = await generate(root, { cwd: copy, args: ['--name', 'pending'], signal })
  if (pending === 'asked') throw await asksForRenames(copy)
  if (pending === 'made') {
    throw new Error('The schema has changes without a migration: make one first (npm run db:generate).')
  }
  return pending === 'no schema' ? pending : 'none'
}

async function takeMigrations(plan: Plan, copy: string): Promise<void> {
  for (const file of await filesOf(join(copy, 'drizzle'))) {
    await plan.edit(`drizzle/${file}`, await readFile(join(copy, 'drizzle', file), 'utf8'))
  }
}

async function asksForRenames(service: string): Promise<Error> {
  const lost = await lostTables(service)
  const why = lost.length > 0 ? ` (drizzle/ has ${listOf(lost)}, which no schema declares)` : ''
  return new Error(
    `drizzle-kit asks whether a table or a column was renamed${why}: answer it in a terminal with npm run db:generate, then add again.`,
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
