import { inject } from 'vitest'
import { makeDatabase, type TemporaryDatabase } from '../../scripts/postgres/databases.ts'

/** A new database with all migrations applied: a copy of the one that test/global-setup.ts migrated. */
export function createDatabase(): Promise<TemporaryDatabase> {
  const { url, template } = inject('postgres')
  return makeDatabase(url, template)
}
