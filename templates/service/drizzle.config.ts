import { readdirSync, readFileSync } from 'node:fs'
import { defineConfig } from 'drizzle-kit'

const out = './drizzle'

/**
 * `npm run db:generate` compares the schemas with the last snapshot in drizzle/; it needs no database. It and `npm run check`
 * refuse a journal whose times do not rise, as after the merge of two branches, or would not rise with the next migration. `npm
 * run check` also refuses a migration that the journal does not list: it would never be applied.
 */
const journal = `${out}/meta/_journal.json`
const entries = readEntries(journal)
requireRising(journal, entries)
if (process.argv.includes('check')) requireListed(entries)

export default defineConfig({ dialect: 'postgresql', schema: './src/**/*.schema.ts', out })

interface Entry {
  readonly tag: string
  readonly when: number
}

function readEntries(path: string): Entry[] {
  try {
    const { entries } = JSON.parse(readFileSync(path, 'utf8')) as { entries?: Entry[] }
    if (!Array.isArray(entries)) throw new Error('it has no entries')
    return entries
  } catch (cause) {
    throw new Error(`${path} is broken: ${String(cause)}`, { cause })
  }
}

function requireListed(entries: readonly Entry[]): void {
  const files = readdirSync(out).filter((name) => name.endsWith('.sql'))
  const stray = files.sort().find((name) => !entries.some(({ tag }) => name === `${tag}.sql`))
  if (stray === undefined) return
  throw new Error(
    `${stray} is not in drizzle/meta/_journal.json: make it with npm run db:generate -- --custom, and move its SQL there`,
  )
}

/**
 * drizzle's own migrator skips migrations that are older than the newest one of the database. Ours identifies each by its text.
 */
function requireRising(path: string, entries: readonly Entry[]): void {
  for (const [index, { tag, when }] of entries.entries()) {
    const before = entries[index - 1]
    if (before === undefined || when > before.when) continue
    throw new Error(
      `${path}: ${tag} is not younger than ${before.tag} before it: raise its "when" above ${before.when} (where it is applied already, it stays so)`,
    )
  }
  const last = entries.at(-1)
  if (!process.argv.includes('generate') || last === undefined || last.when < Date.now()) return
  throw new Error(
    `${path}: the time of ${last.tag} has not come yet, so that a migration made now would be older: lower its "when" (where it is applied already, it stays so)`,
  )
}
