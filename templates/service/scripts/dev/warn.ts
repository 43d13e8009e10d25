import { unreadNames } from '../doctor/variables.ts'
import { schemaDifference } from '../postgres/schema-difference.ts'
import { readEnvFile } from './environment.ts'
import { stopSignal } from './stopping.ts'

/**
 * Prints the warnings of `npm run dev`, one on each line: `names` of `.env` that nothing reads, or a `schema` without a
 * migration. It runs as a separate process, since it loads src/config.ts and the schemas, which may have changed.
 */
if (process.argv[2] === 'names') {
  for (const { seen, fix } of unreadNames(Object.keys(readEnvFile()))) console.log(`${seen}: ${fix}`)
} else {
  const difference = await schemaDifference(stopSignal())
  if (difference !== undefined) console.log(`${difference}: run npm run db:generate`)
}
