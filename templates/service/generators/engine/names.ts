/** The noun of a piece, in kebab case: `price-list`, `price-lists`. Without a plural, both are the same. */
export interface Noun {
  singular: string
  plural: string
}

/** Names of devices, which no file or folder may have, whatever the extension: `aux.ts` cannot be checked out on Windows. */
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i

/** Whether `name` is one of Windows' devices, such as `aux` or `com1`. */
export function isReservedOnWindows(name: string): boolean {
  return device.test(name)
}

/**
 * Replaces widget by the noun, in the casing of each place. `text` is the text of a file, or a path. For `price-list`:
 *
 * - `Widget`, `WidgetRow`, `listWidgets` → `PriceList`, `PriceListRow`, `listPriceLists`; `WIDGET_MAX` → `PRICE_LIST_MAX`
 * - beside `/` or `-`, in the name of a `.ts` file, as the first of an OpenAPI operation's `tags` → `price-list`: `'/widgets/:id'`, `src/widgets/widgets.routes.ts`
 * - beside `_`, as the first argument of `…Table(`, in SQL, in double quotes inside a string → `price_list`: `widgets_name_idx`
 * - a word in the prose of a comment, or of a string with spaces in it → `price list`: `'Read one widget'`
 * - everything else → `priceList`: `widget.id`, `{ widgets }`, and a string that is the one word, as keys and fields are
 */
export function stampNames(text: string, noun: Noun): string {
  return text.replace(token, (part: string, offset: number) => {
    if (/^\/[/*]/.test(part)) return stampPart(part, noun, 'prose')
    if (!/^['"`]/.test(part)) return stampPart(part, noun, 'code', text.charAt(offset - 1))
    return stampString(part, noun, kindOf(part, text.slice(Math.max(0, offset - 40), offset)))
  })
}

/** The kinds of text: a comment, a string, or the code around them. */
type Kind = 'code' | 'prose' | 'sql' | 'path'

/** Matches one comment, one string, or the code between them: the part of TypeScript's lexer that separates the three. */
const token =
  /\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?:(?!\/[/*])[^'"`])+/g

const expression = /(\$\{[^}]*\})/g

const sql =
  /\b(?:select\s[\s\S]*\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|lock\s+table|truncate|(?:create|alter|drop)\s+(?:table|index))\b/i

/** The kind of a string, from the code before it and from its text. */
function kindOf(string: string, before: string): Kind {
  if (/Table\(\s*$/.test(before)) return 'sql'
  if (/\btags(?:: | = )\[$/.test(before)) return 'path'
  if (sql.test(string)) return 'sql'
  return /\s/.test(string.replace(expression, '')) ? 'prose' : 'code'
}

/** The inside of a `${…}` in a template is code, whatever is around it. */
function stampString(string: string, noun: Noun, kind: Kind): string {
  const isTemplate = string.startsWith('`')
  return string
    .split(expression)
    .map((piece) => stampPart(piece, noun, isTemplate && piece.startsWith('${') ? 'code' : kind))
    .join('')
}

const placeholder = /widgets?|Widgets?|WIDGETS?/g

/** Words that begin with a vowel sound: an invoice, an hour, but a user and a unit. */
const vowel = /^(?:[aeio]|u(?!ni|s[aeiu]|ti|bi)|hour|hono|heir)(?!ne\b|nce\b|u)/

/** @param previous the character before `text` */
function stampPart(text: string, noun: Noun, kind: Kind, previous = ''): string {
  const needsAn = kind === 'prose' && vowel.test(noun.singular)
  const part = needsAn ? text.replace(/\b([Aa]) (?=widget\b)/gi, '$1n ') : text
  return part.replace(placeholder, (found: string, at: number) => {
    const words = (/s$/i.test(found) ? noun.plural : noun.singular).split('-')
    const before = part.slice(0, at) || previous
    const after = part.slice(at + found.length)
    return written[casingOf(found, kind, before, after)](words)
  })
}

/** The spellings of the noun, named after what `price-list` becomes. */
const written = {
  PRICE_LIST: (words: string[]) => words.join('_').toUpperCase(),
  PriceList: (words: string[]) => words.map(capital).join(''),
  priceList: (words: string[]) => words.map((word, index) => (index === 0 ? word : capital(word))).join(''),
  'Price list': (words: string[]) => capital(words.join(' ')),
  'price list': (words: string[]) => words.join(' '),
  'price-list': (words: string[]) => words.join('-'),
  price_list: (words: string[]) => words.join('_'),
}

/** The first rule that matches wins. */
function casingOf(found: string, kind: Kind, before: string, after: string): keyof typeof written {
  if (found.startsWith('WIDGET')) return 'PRICE_LIST'
  if (found.startsWith('Widget'))
    return kind === 'prose' && opensSentence(before, after) ? 'Price list' : 'PriceList'
  if (kind === 'path' || isInPath(before, after)) return 'price-list'
  if (kind === 'sql' || isInSqlName(before, after)) return 'price_list'
  return kind === 'prose' && isWord(before, after) ? 'price list' : 'priceList'
}

function opensSentence(before: string, after: string): boolean {
  return /(?:^['"`]|\/\*\*? |\/\/ |[.:!?] )$/.test(before) && /^[\s,.;:']/.test(after)
}

/** Beside `/` or `-`, but not beside an operator; or in the name of a `.ts` file. */
function isInPath(before: string, after: string): boolean {
  return /[/-]$/.test(before) || /^(?:-(?![\s=>-])|\/(?=[\w<$:]|$)|(?:\.\w+)*\.ts\b)/.test(after)
}

/** Beside `_`; or in double quotes inside a string, unless it is a key of JSON or the value of an attribute. */
function isInSqlName(before: string, after: string): boolean {
  if (/_$/.test(before) || /^_/.test(after)) return true
  return /[^=]"$/.test(before) && /^"(?!:)/.test(after)
}

function isWord(before: string, after: string): boolean {
  return /(?:^|[\s(']|^["`])$/.test(before) && /^(?:$|`$|[\s,;:)'"!?]|\.(?!\w))/.test(after)
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
