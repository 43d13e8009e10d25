import type { TestProject } from 'vitest/node'
import { postgresPrograms, postgresUser } from '../../templates/service/scripts/postgres/files.ts'
import { emitServices, type Emitted } from './support/emitted.ts'
import { missing } from './support/programs.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    emitted: Emitted
    /** The path of `postgres` from npm, in a place where Postgres's user can run it. */
    postgres18: string
  }
}

/**
 * Reports the missing programs once, and fails in CI if there are any; then emits and builds the services that all tests start.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const lines = missing()
  const ci = process.env['CI']
  if (lines.length > 0 && ci !== undefined && ci !== '' && ci !== 'false') throw new Error(lines.join('\n'))
  for (const line of lines) process.stderr.write(`${line} (its tests are skipped)\n`)
  const { emitted, folder, remove } = await emitServices()
  project.provide('emitted', emitted)
  // Once for all tests: in a clone that only root may enter, it is a copy.
  const { postgres } = await postgresPrograms(folder, await postgresUser(''))
  project.provide('postgres18', postgres)
  return remove
}
