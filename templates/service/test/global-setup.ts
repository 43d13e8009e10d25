import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { makeDatabase, type TemporaryDatabase } from '../scripts/databases.ts'
import { startPostgres, type Postgres } from '../scripts/postgres.ts'
import { migrateDatabase } from '../src/migrate.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A server, and the name of a database on it to copy, with all migrations applied. */
    postgres: { url: string; template: string }
  }
}

/**
 * One PostgreSQL for all tests of a run, thrown away afterwards; or the server of TEST_DATABASE_URL, on which the tests
 * make databases and remove them. DATABASE_URL is not looked at: it may be one that somebody needs.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL']
  const started: Postgres | undefined = given ? undefined : await startThrowAway()
  let template: TemporaryDatabase | undefined
  const teardown = async (): Promise<void> => {
    if (started !== undefined) await started.stop()
    else await template?.drop()
  }
  try {
    const url = started?.url ?? given ?? ''
    template = await makeDatabase(url)
    await migrateDatabase(template.url)
    project.provide('postgres', { url, template: new URL(template.url).pathname.slice(1) })
    return teardown
  } catch (error) {
    await teardown()
    throw error
  }
}

async function startThrowAway(): Promise<Postgres> {
  return startPostgres({ dir: await mkdtemp(join(tmpdir(), 'postgres-')), persistent: false })
}
