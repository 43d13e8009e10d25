import { background, withoutCancel, withTimeout, type Context } from '../../src/context/context.ts'
import { withSignals } from '../../src/context/signals.ts'
import { openDatabase, type Database } from '../../src/platform/database/database.ts'
import { migrationsFolder, requireMigrated } from '../../src/platform/database/migrations.ts'
import { schemas } from '../../src/platform/schemas.ts'
import { createLog } from '../../src/platform/telemetry/log.ts'
import { readFlags } from '../command-line.ts'
import { readEnvironment } from '../dev/environment.ts'
import { inOwnCommands } from '../own-commands.ts'
import { chooseDatabase } from '../postgres/built-in.ts'
import { plant } from './plant.ts'
import { seeds } from './rows.ts'

/** How long the database may take to answer, and how long the whole run may take. */
const [answerMs, wholeMs, closeMs] = [10_000, 60_000, 2_000]
const log = createLog({ level: 'silent', service: 'seed' })

/**
 * `npm run db:seed`: inserts the rows of scripts/seed/rows.ts into DATABASE_URL, or else into the built-in PostgreSQL. A second
 * run inserts nothing.
 */
async function main(parent: Context): Promise<void> {
  const chosen = seeds()
  if (chosen.every(({ rows }) => rows.length === 0)) {
    console.log('db:seed: nothing to do, since scripts/seed/rows.ts has no rows')
    return
  }
  const database = await chooseDatabase(readEnvironment())
  try {
    using ctx = withTimeout(parent, wholeMs, new Error(`it took longer than ${wholeMs} ms`))
    const db = await open(ctx, database.url)
    try {
      await requireMigrated(ctx, log, db, migrationsFolder, schemas())
      for (const { table, inserted, present } of await plant(ctx, db, chosen))
        console.log(`db:seed: ${table}: ${inserted} inserted, ${present} there already`)
    } finally {
      using closing = withTimeout(withoutCancel(ctx), closeMs)
      await db.close(closing)
    }
  } finally {
    await database.stop()
  }
}

async function open(parent: Context, url: string): Promise<Database> {
  using ctx = withTimeout(parent, answerMs)
  return await openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'seed' })
}

readFlags('db:seed', 'inserts the rows of scripts/seed/rows.ts, once', {})
try {
  using stop = withSignals(background(), 'SIGINT', 'SIGTERM')
  await main(stop)
  process.exit(0)
} catch (error) {
  console.error(inOwnCommands(`db:seed: ${error instanceof Error ? error.message : String(error)}`))
  process.exit(1)
}
