import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One migration of drizzle/, as drizzle-kit wrote it. */
export interface Migration {
  /** Its name: that of its file without `.sql`. */
  readonly tag: string
  /** Epoch milliseconds of its making, which is all of its name that the database keeps. */
  readonly when: number
  readonly text: string
  /** SHA-256 of the text, in hex. */
  readonly hash: string
}

/** What the database keeps of a migration that it has. */
export interface AppliedMigration {
  readonly hash: string
  /** The `when` of the migration. */
  readonly when: number
}

/** How a folder of migrations and a database differ. */
export interface Difference {
  /** In the folder alone, in the order of the journal. */
  readonly missing: readonly Migration[]
  /** In both, but the text has changed since it was applied. */
  readonly edited: readonly Migration[]
  /** How many are in the database alone. */
  readonly unknown: number
}

/** The migrations of `folder` in the order of its journal. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const journal = await readFile(join(folder, 'meta/_journal.json'), 'utf8')
  const { entries } = JSON.parse(journal) as { entries: { tag: string; when: number }[] }
  return Promise.all(
    entries.map(async ({ tag, when }) => {
      const text = await readFile(join(folder, `${tag}.sql`), 'utf8')
      return { tag, when, text, hash: hashOf(text) }
    }),
  )
}

/**
 * Asks of each migration by itself whether it is applied: by its text and its time, then by its text alone. A migration that
 * was made earlier than others but merged later is missing, whatever the database has that is newer.
 */
export function difference(ours: readonly Migration[], applied: readonly AppliedMigration[]): Difference {
  const rest = [...applied]
  const take = (matches: (one: AppliedMigration) => boolean): boolean => {
    const at = rest.findIndex(matches)
    return at >= 0 && rest.splice(at, 1).length > 0
  }
  const sameText = ({ text }: Migration, { hash }: AppliedMigration): boolean => hashesOf(text).includes(hash)
  // Each pass takes away what it found: two migrations may have the same text, and two branches the same millisecond.
  const found = (mine: readonly Migration[], matches: (my: Migration, one: AppliedMigration) => boolean) =>
    mine.filter((my) => !take((one) => matches(my, one)))
  const byBoth = found(ours, (my, one) => my.when === one.when && sameText(my, one))
  const byText = found(byBoth, sameText)
  const missing = found(byText, (my, one) => my.when === one.when)
  return { missing, edited: byText.filter((my) => !missing.includes(my)), unknown: rest.length }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** With either kind of line ends: git may have changed them on the way to another machine. */
function hashesOf(text: string): string[] {
  const lf = text.replaceAll('\r\n', '\n')
  return [text, lf, lf.replaceAll('\n', '\r\n')].map(hashOf)
}
