import { inject } from 'vitest'
import { makeDatabase, type TemporaryDatabase } from '../../scripts/postgres/databases.ts'

/** A database with all migrations applied, of the caller's own: a copy of the one that test/global-setup.ts migrated. */
export function createDatabase(): Promise<TemporaryDatabase> {
  const { url, template } = inject('postgres')
  return makeDatabase(url, template)
}
