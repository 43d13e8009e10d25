import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { makeDatabase, temporaryServer, type TemporaryDatabase } from '../scripts/postgres/databases.ts'
import { migrateDatabase } from '../scripts/postgres/migrations.ts'
import { joinPrograms, type Programs } from './programs.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A server, and the name of a database on it to copy, with all migrations applied. */
    postgres: { url: string; template: string }
    /** The folder of the service's joined programs: test/programs.ts. */
    programs: string
  }
}

/**
 * Starts one temporary PostgreSQL for all tests of a run, or uses the server of TEST_DATABASE_URL, on which the tests create
 * databases and remove them. Joins the service's programs once, and again when watched tests rerun.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await temporaryServer()
  let template: TemporaryDatabase | undefined
  let programs: Programs | undefined
  const teardown = async (): Promise<void> => {
    await programs?.remove()
    await template?.drop()
    await server.stop()
  }
  try {
    template = await makeDatabase(server.url)
    await migrateDatabase(template.url)
    project.provide('postgres', { url: server.url, template: template.name })
    const joined = (programs = await joinPrograms(join(import.meta.dirname, '..')))
    project.provide('programs', joined.folder)
    // An exception here would end the watch.
    project.onTestsRerun(() => joined.join().catch((error: unknown) => console.error(error)))
    return teardown
  } catch (error) {
    await teardown()
    throw error
  }
}
