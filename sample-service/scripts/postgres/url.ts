import { readFlags } from '../command-line.ts'
import { readEnvironment } from '../dev/environment.ts'
import { inOwnCommands } from '../own-commands.ts'
import { builtInUrl, givenUrl, runningUrl } from './built-in.ts'

/**
 * `npm run --silent db:url`: prints the URL of the database that `npm run dev` uses, and nothing else on stdout. It stays the
 * same between starts.
 */
readFlags('db:url', 'prints the URL of the database that npm run dev uses', {})
try {
  const env = readEnvironment()
  const given = givenUrl(env)
  console.log(given ?? (await builtInUrl(env)))
  if (given === undefined && (await runningUrl()) === undefined) {
    console.error(inOwnCommands('db:url: PostgreSQL does not run now; npm run dev starts it'))
  }
} catch (error) {
  console.error(inOwnCommands(`db:url: ${error instanceof Error ? error.message : String(error)}`))
  process.exitCode = 1
}
