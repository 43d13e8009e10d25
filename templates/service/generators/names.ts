import { pluralOf, singularOf } from './plurals.ts'

/** What a piece is stamped with, in kebab case: `price-list`, `price-lists`. A piece that needs no plural has the same in both. */
export interface Noun {
  singular: string
  plural: string
}

/** Postgres cuts names at 63 bytes; this leaves room for what a piece puts behind one (`…_created_at_id_idx`). */
const longest = 40

const reservedInJavaScript = words(`
  arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof undefined var void while with yield`)

/** Reserved in PostgreSQL 18 (appendix C), as a table's name would be the plural: `order` is a fine noun, `references` is not. */
const reservedInSql = words(`
  all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
  concurrently constraint create cross default deferrable desc distinct do else end except false fetch for foreign freeze
  from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
  localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
  returning right select similar some symmetric system-user table tablesample then to trailing true union unique user
  using values variadic verbose when where window with`)

/** Names that the service has already: folders, files of src/, and paths of the HTTP surface. */
const taken = words(`
  context platform config main migrate prepare routes workers jobs test tests lint generators drizzle dist scripts support node-modules
  docs livez openapi readyz health ctx`)

/** Devices that no file or folder may be named after, whatever follows behind a dot: `aux.ts` cannot be checked out on Windows. */
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i

/** Whether `name` is one of Windows' devices, such as `aux` or `com1`. */
export function isReservedOnWindows(name: string): boolean {
  return device.test(name)
}

/**
 * The noun that a person typed: `price-list`, `priceList`, `PriceList`, `price_list`, `price list`, or its plural.
 * With `plural` the word is taken as the singular, whatever it looks like (`nounFrom('canvas', 'canvases')`).
 * Throws an Error of one sentence for what cannot be a name in TypeScript, SQL and a URL at once.
 */
export function nounFrom(word: string, plural?: string): Noun {
  const typed = kebab(word)
  const noun =
    plural === undefined
      ? { singular: lastWord(typed, singularOf), plural: lastWord(lastWord(typed, singularOf), pluralOf) }
      : { singular: typed, plural: kebab(plural) }
  refuseReserved(noun)
  if (reservedInSql.has(noun.plural)) {
    throw new Error(
      `"${noun.plural}" is a reserved word in SQL and cannot name a table: choose another noun.`,
    )
  }
  if (noun.singular === noun.plural) {
    throw new Error(
      `The plural of "${noun.singular}" is the same word: name another plural (--plural), or another noun.`,
    )
  }
  return noun
}

/** The name of a piece that has no plural (`add route health-check`): the same word in both forms. Throws as `nounFrom` does. */
export function nameFrom(word: string): Noun {
  const name = kebab(word)
  refuseReserved({ singular: name, plural: name })
  return { singular: name, plural: name }
}

function refuseReserved({ singular, plural }: Noun): void {
  for (const name of new Set([singular, plural])) {
    if (reservedInJavaScript.has(name)) {
      throw new Error(`"${name}" is a reserved word in JavaScript: choose another name.`)
    }
    if (isReservedOnWindows(name)) {
      throw new Error(`"${name}" is a device on Windows and cannot name a file there: choose another name.`)
    }
    if (taken.has(name))
      throw new Error(`"${name}" is a name that the service has already: choose another one.`)
  }
}

/** `priceList`, `Price_List`, `price list` → `price-list`; throws for what does not become letters, digits and single hyphens. */
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
      `${JSON.stringify(word)} cannot be a name: use English letters, digits and hyphens, beginning with a letter, such as price-list.`,
    )
  }
  if (name.length > longest) {
    throw new Error(
      `"${name}" is ${name.length} characters long: use at most ${longest}, so that every SQL name fits.`,
    )
  }
  return name
}

function lastWord(name: string, change: (word: string) => string): string {
  const at = name.lastIndexOf('-') + 1
  return name.slice(0, at) + change(name.slice(at))
}

function words(list: string): Set<string> {
  return new Set(list.trim().split(/\s+/))
}

/**
 * Puts the noun wherever a piece says widget, in the casing that the place asks for. It works on a file's text and on a path.
 * For `price-list`:
 *
 * - `Widget`, `WidgetRow`, `listWidgets` → `PriceList`, `PriceListRow`, `listPriceLists`; `WIDGET_MAX` → `PRICE_LIST_MAX`
 * - beside `/` or `-`, in the name of a `.ts` file, as the first of an OpenAPI operation's `tags` → `price-list`: `'/widgets/:id'`, `src/widgets/widgets.routes.ts`
 * - beside `_`, as the first argument of `…Table(`, in SQL, in double quotes inside a string → `price_list`: `widgets_name_idx`
 * - a word in the prose of a comment, or of a string with spaces in it → `price list`: `'Read one widget'`
 * - everything else → `priceList`: `widget.id`, `{ widgets }`, and a string that is the one word, as keys and fields are
 */
export function stampNames(text: string, noun: Noun): string {
  return text.replace(token, (part: string, offset: number) => {
    const quote = part.charAt(0)
    if (part.startsWith('//') || part.startsWith('/*')) return stampPart(part, noun, 'prose')
    if (quote !== "'" && quote !== '"' && quote !== '`')
      return stampPart(part, noun, 'code', text.charAt(offset - 1))
    const before = text.slice(Math.max(0, offset - 40), offset)
    if (/Table\(\s*$/.test(before)) return stampPart(part, noun, 'sql')
    if (/\btags(?:: | = )\[$/.test(before)) return stampPart(part, noun, 'kebab')
    const kind = sql.test(part) ? 'sql' : /\s/.test(part.replace(/\$\{[^}]*\}/g, '')) ? 'prose' : 'code'
    // What a template holds in ${…} is code, whatever stands around it.
    return part
      .split(/(\$\{[^}]*\})/)
      .map((piece) => stampPart(piece, noun, quote === '`' && piece.startsWith('${') ? 'code' : kind))
      .join('')
  })
}

type Kind = 'code' | 'prose' | 'sql' | 'kebab'

/** One comment, one string, or what lies between them. Enough of TypeScript's lexer to tell the three apart. */
const token =
  /\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?:(?!\/[/*])[^'"`])+/g

const sql =
  /\b(?:select\s[\s\S]*\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|lock\s+table|truncate|(?:create|alter|drop)\s+(?:table|index))\b/i

const placeholder = /widgets?|Widgets?|WIDGETS?/g

/** Said with a vowel, however it is written: an invoice, an hour, but a user and a unit. */
const vowel = /^(?:[aeio]|u(?!ni|s[aeiu]|ti|bi)|hour|hono|heir)(?!ne\b|nce\b|u)/

function stampPart(text: string, noun: Noun, kind: Kind, previous = ''): string {
  const part =
    kind === 'prose' && vowel.test(noun.singular) ? text.replace(/\b([Aa]) (?=widget\b)/gi, '$1n ') : text
  return part.replace(placeholder, (found: string, at: number) => {
    const name = (/s$/i.test(found) ? noun.plural : noun.singular).split('-')
    const before = part.slice(0, at) || previous
    const after = part.slice(at + found.length)
    if (found.startsWith('WIDGET')) return name.join('_').toUpperCase()
    if (found.startsWith('Widget')) {
      const opens =
        kind === 'prose' && /(?:^['"`]|\/\*\*? |\/\/ |[.:!?] )$/.test(before) && /^[\s,.;:']/.test(after)
      return opens ? capital(name.join(' ')) : name.map(capital).join('')
    }
    if (
      kind === 'kebab' ||
      /[/-]$/.test(before) ||
      /^-(?![\s=>-])/.test(after) ||
      /^\/(?=[\w<$:]|$)/.test(after)
    )
      return name.join('-')
    if (/^(?:\.\w+)*\.ts\b/.test(after)) return name.join('-')
    // Quoted in a string: a name of SQL, if it is neither a key of JSON nor an attribute's value.
    if (/[^=]"$/.test(before) && /^"(?!:)/.test(after)) return name.join('_')
    if (kind === 'sql' || /_$/.test(before) || /^_/.test(after)) return name.join('_')
    if (
      kind === 'prose' &&
      /(?:^|[\s(']|^["`])$/.test(before) &&
      /^(?:$|`$|[\s,;:)'"!?]|\.(?!\w))/.test(after)
    )
      return name.join(' ')
    return name.map((word, index) => (index === 0 ? word : capital(word))).join('')
  })
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
