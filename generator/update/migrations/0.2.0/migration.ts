import type { Migration } from '../../migration.ts'

/** The platform moved into rooms (http, database, telemetry …), and the scripts into folders. */
export const migration: Migration = {
  version: '0.2.0',
  renames: {},
  changes: [],
  words: [],
}
