import pluralize from 'pluralize-esm'
import { isReservedOnWindows, type Noun } from './names.ts'
import type { Piece } from './piece.ts'

// Words whose plural the library lacks, or has in a form that programs do not use.
for (const [singular, plural] of [
  ['axis', 'axes'],
  ['basis', 'bases'],
  ['bias', 'biases'],
  ['lens', 'lenses'],
  ['schema', 'schemas'],
] as const) {
  pluralize.addIrregularRule(singular, plural)
}

/** In characters. Postgres truncates names at 63 bytes, and a piece appends to the noun (`…_created_at_id_idx`). */
const longest = 40

const reservedInJavaScript = words(`
  arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof undefined var void while with yield`)

/** Reserved in PostgreSQL 18 (appendix C). The plural names the table: `order` is a valid noun, `reference` is not. */
const reservedInSql = words(`
  all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
  concurrently constraint create cross default deferrable desc distinct do else end except false fetch for foreign freeze
  from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
  localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
  returning right select similar some symmetric system-user table tablesample then to trailing true union unique user
  using values variadic verbose when where window with`)

/** Names that the service itself uses: folders, files of src/, and paths of its API. */
const taken = words(`
  context platform config main migrate prepare routes workers jobs test tests lint generators drizzle dist scripts support node-modules
  docs livez openapi readyz health ctx`)

/**
 * Parses a noun as the user types it: `price-list`, `priceList`, `PriceList`, `price_list`, `price list`, or its plural. With
 * `plural`, the word is the singular as typed (`nounFrom('gas', 'gases')`). Throws if the name is not valid in TypeScript, SQL
 * and a URL.
 */
export function nounFrom(word: string, plural?: string): Noun {
  const typed = kebab(word)
  const singular = plural === undefined ? lastWord(typed, (one) => pluralize.singular(one)) : typed
  const noun = {
    singular,
    plural: plural === undefined ? lastWord(singular, (one) => pluralize.plural(one)) : kebab(plural),
  }
  refuseReserved(noun)
  if (reservedInSql.has(noun.plural)) {
    throw new Error(
      `"${noun.plural}" is a reserved word in SQL and cannot name a table: choose another noun.`,
    )
  }
  if (noun.singular === noun.plural) {
    throw new Error(
      `The plural of "${noun.singular}" is the same word: give another plural (--plural), or choose another noun.`,
    )
  }
  return noun
}

/** The name of a piece without a plural (`add route health-check`): the same word in both forms. Throws as `nounFrom` does. */
export function nameFrom(word: string): Noun {
  const name = kebab(word)
  refuseReserved({ singular: name, plural: name })
  return { singular: name, plural: name }
}

/** The name of `piece`. Throws an Error of one sentence for a name that the piece cannot have. */
export function nounOf(
  { name: piece, takes, flags = [] }: Piece,
  { name = '', plural }: Readonly<Record<string, string | undefined>>,
): Noun {
  if (takes === 'nothing') {
    if (name !== '') throw new Error(`${piece} takes no name: write npm run add -- ${piece}.`)
    return { singular: piece, plural: piece }
  }
  if (typeof takes !== 'string' && !takes.includes(name)) {
    throw new Error(`There is no ${piece} "${name}": choose one of ${takes.join(', ')}.`)
  }
  if (name.includes('/') && flags.some((flag) => flag.name === 'path')) {
    const path = `/${name.trim().replace(/^[./]+/, '')}`
    throw new Error(
      `"${name}" is a path: give the ${piece} a name, such as ${similarName(name)}, and then its path, as --path ${path}.`,
    )
  }
  return takes === 'noun' ? nounFrom(name, plural) : nameFrom(name)
}

function refuseReserved({ singular, plural }: Noun): void {
  for (const name of new Set([singular, plural])) {
    if (reservedInJavaScript.has(name)) {
      throw new Error(`"${name}" is a reserved word in JavaScript: choose another name.`)
    }
    if (isReservedOnWindows(name)) {
      throw new Error(`"${name}" is a device on Windows and cannot name a file there: choose another name.`)
    }
    if (taken.has(name)) throw new Error(`The service already uses the name "${name}": choose another one.`)
  }
}

/** `priceList`, `Price_List`, `price list` → `price-list`; throws if the result is not letters, digits and single hyphens. */
function kebab(word: string): string {
  if (word.trim() === '')
    throw new Error('The name is empty: give an English noun, such as invoice or price-list.')
  const name = word
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replace(/[ _-]+/g, '-')
    .toLowerCase()
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name)) {
    throw new Error(
      `${JSON.stringify(word)} cannot be a name: use English letters, digits and hyphens, beginning with a letter, such as ${similarName(word)}.`,
    )
  }
  if (name.length > longest) {
    throw new Error(
      `"${name}" is ${name.length} characters long: use at most ${longest}, so that every SQL name fits.`,
    )
  }
  return name
}

/** `café` → `cafe`, `./admin/users` → `admin-users`: makes a valid name of `word`, if it can. */
export function similarName(word: string): string {
  const plain = word.normalize('NFD').replace(/\p{M}/gu, '').replace(/\W+/g, '-')
  return /[a-z].*(?<!-)/i.exec(plain)?.[0].toLowerCase() ?? 'price-list'
}

function lastWord(name: string, change: (word: string) => string): string {
  const at = name.lastIndexOf('-') + 1
  return name.slice(0, at) + change(name.slice(at))
}

function words(list: string): Set<string> {
  return new Set(list.trim().split(/\s+/))
}
