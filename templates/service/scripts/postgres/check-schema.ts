import { inOwnCommands } from '../own-commands.ts'
import { schemaDifference } from './schema-difference.ts'

/** The last step of `npm run check`: exits with 1 if a schema has no migration. */
const difference = await schemaDifference()
if (difference !== undefined) {
  console.error(inOwnCommands(`${difference}: run npm run db:generate`))
  process.exitCode = 1
}
