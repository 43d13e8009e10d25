import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { filesBelow } from '../../scripts/files-below.ts'
import { generate, namesIn, type Generated } from '../../scripts/postgres/drizzle-kit.ts'
import { withCopy, writePlanned } from '../engine/copy.ts'
import type { Plan } from '../engine/plan.ts'

/** The parts of the service that drizzle-kit reads. */
const needed = ['package.json', 'tsconfig.json', 'drizzle.config.ts', 'src', 'drizzle']

/**
 * If the plan adds a schema, plans its migration: the service's own drizzle-kit runs on a copy of the service, without a
 * database. Throws if the migration would change anything but the planned tables.
 */
export async function migrate(plan: Plan, name: string): Promise<void> {
  const planned = plan.changes().flatMap(({ path, after }) => (isSchema(path) && after ? [after] : []))
  if (planned.length === 0) return
  await withCopy(plan.root, needed, async (copy, signal) => {
    await refuseTaken(copy, planned)
    await writePlanned(plan, copy)
    const made = await makeMigration(plan, copy, { name, texts: planned, signal })
    if (made !== 'made')
      throw new Error(
        `drizzle-kit made no migration for ${name}: drizzle.config.ts must read src/**/*.schema.ts.`,
      )
  })
}

/** Plans the migration that drops the tables whose schemas the plan removes. */
export async function dropTables(plan: Plan, name: string): Promise<void> {
  const gone = plan
    .changes()
    .flatMap(({ path, before, after }) => (isSchema(path) && after === undefined ? [before ?? ''] : []))
  if (gone.length === 0) return
  await withCopy(plan.root, needed, async (copy, signal) => {
    await writePlanned(plan, copy)
    // Without any schema drizzle-kit compares nothing.
    await mkdir(join(copy, 'src/none'))
    await writeFile(join(copy, 'src/none/none.schema.ts'), 'export {}\n')
    await makeMigration(plan, copy, { name, texts: gone, signal })
  })
}

/** Runs drizzle-kit in the copy, and plans the migration that it writes. */
async function makeMigration(
  plan: Plan,
  copy: string,
  { name, texts, signal }: { name: string; texts: readonly string[]; signal: AbortSignal },
): Promise<Generated> {
  const made = await generate(plan.root, { cwd: copy, args: ['--name', name], signal })
  if (made === 'asked') throw await asksForRenames(copy)
  const tables = texts.flatMap(tablesOf)
  for (const file of await filesBelow(join(copy, 'drizzle'))) {
    const path = `drizzle/${file}`
    const text = await readFile(join(copy, path), 'utf8')
    const isNew = file.endsWith('.sql') && (await plan.read(path)) === undefined
    if (isNew && namesIn(text).some((one) => !tables.includes(one))) await refusePending(plan.root)
    await plan.edit(path, text)
  }
  return made
}

/** Throws if the schema on disk has changes without a migration. */
async function refusePending(root: string): Promise<void> {
  await withCopy(root, needed, async (copy, signal) => {
    const pending = await generate(root, { cwd: copy, args: ['--name', 'pending'], signal })
    if (pending === 'no change' || pending === 'no schema') return
    throw new Error('The schema has changes without a migration: make one first (npm run db:generate).')
  })
}

/** Throws if a planned table has the name of one that the service has, or had without a migration. */
async function refuseTaken(copy: string, planned: readonly string[]): Promise<void> {
  const schemas = await schemasOf(copy)
  const lost = await lostTables(copy)
  // With no schema at all drizzle-kit compares nothing, so `npm run db:generate` would not see that a table is gone.
  if (schemas.length === 0 && lost.length > 0) {
    throw new Error(
      `drizzle/ has ${listOf(lost)}, which no src/*/*.schema.ts declares: restore the schema, or delete the migration as README.md says under "Remove the documents".`,
    )
  }
  const there = [...(await migratedTables(copy)), ...schemas.flatMap(tablesOf)]
  const taken = planned.flatMap(tablesOf).find((table) => there.includes(table))
  if (taken !== undefined) throw new Error(`The schema already has a table ${taken}: choose another noun.`)
}

/** The tables that the text of a schema declares. */
function tablesOf(text: string): string[] {
  return Array.from(text.matchAll(/\bpgTable\(\s*(['"`])(\w+)\1/g), ([, , table = '']) => table)
}

async function asksForRenames(service: string): Promise<Error> {
  const lost = await lostTables(service)
  const why = lost.length > 0 ? ` (drizzle/ has ${listOf(lost)}, which no schema declares)` : ''
  return new Error(
    `drizzle-kit asks whether a table or a column was renamed${why}: answer it in a terminal with npm run db:generate, then add again.`,
  )
}

/** The tables of the newest snapshot in drizzle/ whose names no schema of the service has. */
async function lostTables(service: string): Promise<string[]> {
  const texts = await schemasOf(service)
  return (await migratedTables(service)).filter((table) => !texts.some((text) => isNamed(table, text)))
}

/** The tables of the newest snapshot in drizzle/. */
async function migratedTables(service: string): Promise<string[]> {
  const meta = join(service, 'drizzle/meta')
  const newest = (await filesBelow(meta)).filter((file) => file.endsWith('_snapshot.json')).at(-1)
  if (newest === undefined) return []
  const snapshot = JSON.parse(await readFile(join(meta, newest), 'utf8')) as {
    tables: Record<string, { name: string }>
  }
  return Object.values(snapshot.tables).map(({ name }) => name)
}

/** The text of each schema. */
async function schemasOf(service: string): Promise<string[]> {
  const schemas = (await filesBelow(join(service, 'src'))).filter(isSchema)
  return Promise.all(schemas.map((file) => readFile(join(service, 'src', file), 'utf8')))
}

function isSchema(path: string): boolean {
  return path.endsWith('.schema.ts')
}

/** Whether the text has the name in quotes. */
function isNamed(name: string, text: string): boolean {
  return ["'", '"', '`'].some((quote) => text.includes(quote + name + quote))
}

function listOf(tables: readonly string[]): string {
  return `the ${tables.length === 1 ? 'table' : 'tables'} ${tables.join(', ')}`
}
