import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorOf } from '../../context/thrown.ts'

/** One migration of drizzle/, as drizzle-kit wrote it. */
export interface Migration {
  /** The name of its file without `.sql`. */
  readonly tag: string
  /** When it was generated, in epoch milliseconds. The database keeps this instead of the tag. */
  readonly when: number
  readonly text: string
  /** SHA-256 of the text, in hex. */
  readonly hash: string
}

/** A migration as the database records it. */
type AppliedMigration = Pick<Migration, 'hash' | 'when'>

/** How a folder of migrations and a database differ. */
export interface Difference {
  /** Only in the folder, in the order of the journal. */
  readonly missing: readonly Migration[]
  /** In both, but the text has changed since it was applied. */
  readonly edited: readonly Migration[]
  /** How many are only in the database. */
  readonly unknown: number
}

type Entry = Pick<Migration, 'tag' | 'when'>

/**
 * The migrations of `folder` in the order of its journal.
 * @throws Error that names the journal if it is not JSON of drizzle-kit
 */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const path = join(folder, 'meta/_journal.json')
  return Promise.all(
    entriesOf(path, await readFile(path, 'utf8')).map(async ({ tag, when }) => {
      const text = await readFile(join(folder, `${tag}.sql`), 'utf8')
      return { tag, when, text, hash: hashOf(text) }
    }),
  )
}

function entriesOf(path: string, text: string): Entry[] {
  try {
    const { entries } = JSON.parse(text) as { entries?: Entry[] }
    if (!Array.isArray(entries)) throw new Error('it has no entries')
    return entries
  } catch (cause) {
    throw new Error(`${path} is broken: ${errorOf(cause).message}`, { cause })
  }
}

/** @throws Error that names a migration of `folder` that its journal does not list: it would never be applied */
export async function requireListed(folder: string, listed: readonly Migration[]): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  const stray = files.find((name) => !listed.some(({ tag }) => name === `${tag}.sql`))
  if (stray === undefined) return
  throw new Error(
    `${stray} is not in drizzle/meta/_journal.json: make it with npm run db:generate -- --custom, and move its SQL there`,
  )
}

/**
 * Looks for each of our migrations among the applied ones: by its text and time, then by its text alone. So a migration that
 * was generated earlier than others but merged later is missing, even if the database has newer ones.
 */
export function difference(ours: readonly Migration[], applied: readonly AppliedMigration[]): Difference {
  const rest = [...applied]
  const take = (matches: (one: AppliedMigration) => boolean): boolean => {
    const at = rest.findIndex(matches)
    return at >= 0 && rest.splice(at, 1).length > 0
  }
  const sameText = ({ text }: Migration, { hash }: AppliedMigration): boolean => hashesOf(text).includes(hash)
  // Each pass removes what it found: two migrations may have the same text, and two branches the same millisecond.
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

/** With either kind of line ends: git may have changed them on another machine. */
function hashesOf(text: string): string[] {
  const lf = text.replaceAll('\r\n', '\n')
  return [text, lf, lf.replaceAll('\n', '\r\n')].map(hashOf)
}

/** The parts of a migration that are sent one by one. */
export function statementsOf(text: string): string[] {
  return text.split('--> statement-breakpoint')
}

/** Comments and literals. The body of a function is a literal, too, in which COMMIT is an error by itself. */
const notStatements =
  /--[^\n]*|\/\*.*?\*\/|\be'(?:[^'\\]|\\.|'')*'|'[^']*'|"[^"]*"|\$([a-z_]\w*)?\$.*?\$\1\$|\bbegin\s+atomic\b.*?;\s*end\b/gis
const endOfTransaction =
  /(?:^|;)\s*(commit|end|abort|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b)|prepare\s+transaction)\b/i

/** @throws Error if `migration` has a statement such as COMMIT: a failure after it could not undo what was before it */
export function requireOneTransaction({ tag, text }: Migration): void {
  const [, statement] = endOfTransaction.exec(statementsOf(text).join(';').replace(notStatements, ' ')) ?? []
  if (statement === undefined) return
  throw new Error(
    `the migration ${tag} contains ${statement.toUpperCase()}, and all migrations are one transaction: remove it`,
  )
}
