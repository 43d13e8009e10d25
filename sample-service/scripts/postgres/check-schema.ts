import { readFlags } from '../command-line.ts'
import { inOwnCommands } from '../own-commands.ts'
import { schemaDifference } from './schema-difference.ts'

/** The last step of `npm run check`, which takes no flags: exits with 1 if a schema has no migration. */
readFlags('check', 'checks the types, and that each schema has its migration', {})
const difference = await schemaDifference()
if (difference !== undefined) {
  console.error(inOwnCommands(`${difference}: run npm run db:generate`))
  process.exitCode = 1
}
