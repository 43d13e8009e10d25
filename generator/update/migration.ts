import { posix } from 'node:path'
import { compare, valid } from 'semver'
import { migration as v020 } from './migrations/0.2.0/migration.ts'

/** The changes that one version of the template requires of the team's code. */
export interface Migration {
  /** The version that brings the migration. It runs for a service of an older version. */
  readonly version: string
  /** The renamed files of the template. The team's edits move along, and its imports are rewritten. */
  readonly renames: Readonly<Record<string, string>>
  /** The modules that have become part of another one. The team's imports are rewritten. */
  readonly merged: Readonly<Record<string, string>>
  /** Changes of the team's own code. Each must leave a text unchanged that it has already changed. */
  readonly changes: readonly CodeChange[]
  /** What the user must do by hand, one sentence each. */
  readonly words: readonly string[]
}

/** A change of code. Its test has a text before and after. */
export interface CodeChange {
  readonly title: string
  /** The text after the change; the same text if there is nothing to change. */
  readonly change: (text: string, path: string) => string
}

/** All migrations, the oldest first. */
const migrations: readonly Migration[] = [v020]

/** The migrations of the versions in (from, to]. */
export function migrationsBetween(from: string, to: string): readonly Migration[] {
  return migrations.filter(({ version }) => isNewer(version, from) && !isNewer(version, to))
}

/** Whether version `one` is newer than `other`. Any other text counts as the oldest version. */
export function isNewer(one: string, other: string): boolean {
  return compare(valid(one) ?? '0.0.0', valid(other) ?? '0.0.0') > 0
}

/** Where the exports of each merged module are now. */
export function mergedOf(migrations: readonly Migration[]): ReadonlyMap<string, string> {
  const merged = new Map(migrations.flatMap(({ merged }) => Object.entries(merged)))
  const renames = renamesOf(migrations)
  return new Map([...merged].map(([from, to]) => [from, renames.get(to) ?? to]))
}

/** The path of each renamed file after all of the migrations. */
export function renamesOf(migrations: readonly Migration[]): ReadonlyMap<string, string> {
  const renames = new Map<string, string>()
  for (const { renames: more } of migrations) {
    for (const [from, to] of renames) renames.set(from, more[to] ?? to)
    for (const [from, to] of Object.entries(more)) if (!renames.has(from)) renames.set(from, to)
  }
  return renames
}

/**
 * The text of a TypeScript file with the imports of renamed files rewritten, and its own if it was renamed.
 * @param from where the file was
 * @param to where it is now
 */
export function withImportsOf(
  renames: ReadonlyMap<string, string>,
  text: string,
  from: string,
  to: string,
): string {
  if (!/\.[cm]?[jt]s$/.test(from) || renames.size === 0) return text
  return text.replace(specifier, (whole, before: string, quote: string, module: string) => {
    const target = posix.normalize(posix.join(posix.dirname(stampedAt(from)), module))
    const now = renames.get(target) ?? target
    if (stampedAt(from) === stampedAt(to) && now === target) return whole
    const relative = posix.relative(posix.dirname(stampedAt(to)), now)
    return `${before}${quote}${relative.startsWith('.') ? relative : `./${relative}`}${quote}`
  })
}

/** The path to which a file of a piece is stamped, since its imports are written for that place; any other path unchanged. */
function stampedAt(path: string): string {
  return path.replace(/^generators\/(?:[\w-]+\/)+?(?=(?:src|test)\/)/, '')
}

/** A relative module behind `from`, `import` or in `import( )`. */
const specifier = /((?:\bfrom|\bimport)\s*\(?\s*)(['"])(\.{1,2}\/[^'"\n]+)\2/g
