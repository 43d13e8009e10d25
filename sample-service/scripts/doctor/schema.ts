import { schemaDifference } from '../postgres/schema-difference.ts'
import { fine, wrong, type Finding } from './finding.ts'

/** Whether drizzle/ has a migration for each schema of src/. */
export async function checkSchema(): Promise<Finding[]> {
  const difference = await schemaDifference()
  if (difference === undefined) return [fine('schema', 'drizzle/ has a migration for each schema')]
  return [wrong('schema', difference, 'run npm run db:generate')]
}
