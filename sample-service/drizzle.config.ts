import { readFileSync } from 'node:fs'
import { defineConfig } from 'drizzle-kit'

const out = './drizzle'

/**
 * `npm run db:generate` compares the schemas with the last snapshot in drizzle/; it needs no database. It and `npm run check`
 * refuse a journal whose times do not rise, as after the merge of two branches, or will not with the next migration.
 */
requireRising(`${out}/meta/_journal.json`)

export default defineConfig({ dialect: 'postgresql', schema: './src/*/*.schema.ts', out })

/** drizzle's own migrator passes over what is older than the newest migration that a database has. Ours knows each by its text. */
function requireRising(path: string): void {
  const { entries } = JSON.parse(readFileSync(path, 'utf8')) as { entries: { tag: string; when: number }[] }
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
