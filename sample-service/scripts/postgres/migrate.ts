import { readFlags } from '../command-line.ts'
import { readEnvironment } from '../dev/environment.ts'
import { startProgram } from '../dev/service-process.ts'
import { stopSignal } from '../dev/stopping.ts'
import { inOwnCommands } from '../own-commands.ts'
import { chooseDatabase } from './built-in.ts'
import { withoutLibpq } from './client.ts'

/**
 * `npm run db:migrate`: runs src/migrate.ts on DATABASE_URL, or else on the built-in PostgreSQL. The exit code is that of
 * src/migrate.ts.
 */
async function main(stop: AbortSignal): Promise<number> {
  const env = readEnvironment()
  const database = await chooseDatabase(env)
  const isBuiltIn = database.from !== 'DATABASE_URL'
  try {
    if (isBuiltIn) console.error('db:migrate: the built-in PostgreSQL in .data/postgres')
    const program = startProgram(
      'src/migrate.ts',
      { ...(isBuiltIn ? withoutLibpq(env) : env), DATABASE_URL: database.url },
      { stdout: 'inherit' },
    )
    stop.addEventListener('abort', () => {
      program.stop().catch(() => undefined)
    })
    const { code } = await program.exited
    return code ?? 1
  } finally {
    await database.stop()
  }
}

readFlags(
  'db:migrate',
  'applies the missing migrations of drizzle/ to DATABASE_URL, or to the built-in PostgreSQL',
  {},
)
try {
  process.exit(await main(stopSignal()))
} catch (error) {
  console.error(inOwnCommands(`db:migrate: ${error instanceof Error ? error.message : String(error)}`))
  process.exit(1)
}
