import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from '../../scripts/postgres/drizzle-kit.ts'
import { withCopy, writePlanned } from '../engine/copy.ts'
import type { Plan } from '../engine/plan.ts'

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
    if (await generate(plan.root, { cwd: copy, args: ['--name', 'pending'], signal })) {
      throw new Error('The schema has changes without a migration: make one first (npm run db:generate).')
    }
    await writePlanned(plan, copy)
    if (!(await generate(plan.root, { cwd: copy, args: ['--name', name], signal }))) {
      throw new Error(`The schema already has a table ${name}: choose another noun.`)
    }
    for (const file of await filesOf(join(copy, 'drizzle'))) {
      await plan.edit(`drizzle/${file}`, await readFile(join(copy, 'drizzle', file), 'utf8'))
    }
  })
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
