/** The noun of a piece, in kebab case: `price-list`, `price-lists`. Without a plural, both are the same. */
export interface Noun {
  singular: string
  plural: string
}

/** Devices that no file or folder may be named after, whatever follows behind a dot: `aux.ts` cannot be checked out on Windows. */
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
    const quote = part.charAt(0)
    if (part.startsWith('//') || part.startsWith('/*')) return stampPart(part, noun, 'prose')
    if (quote !== "'" && quote !== '"' && quote !== '`')
      return stampPart(part, noun, 'code', text.charAt(offset - 1))
    const before = text.slice(Math.max(0, offset - 40), offset)
    if (/Table\(\s*$/.test(before)) return stampPart(part, noun, 'sql')
    if (/\btags(?:: | = )\[$/.test(before)) return stampPart(part, noun, 'kebab')
    const kind = sql.test(part) ? 'sql' : /\s/.test(part.replace(/\$\{[^}]*\}/g, '')) ? 'prose' : 'code'
    // What is in ${…} is code, whatever surrounds it.
    return part
      .split(/(\$\{[^}]*\})/)
      .map((piece) => stampPart(piece, noun, quote === '`' && piece.startsWith('${') ? 'code' : kind))
      .join('')
  })
}

type Kind = 'code' | 'prose' | 'sql' | 'kebab'

/** One comment, one string, or the code between them: as much of TypeScript's lexer as tells the three apart. */
const token =
  /\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?:(?!\/[/*])[^'"`])+/g

const sql =
  /\b(?:select\s[\s\S]*\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|lock\s+table|truncate|(?:create|alter|drop)\s+(?:table|index))\b/i

const placeholder = /widgets?|Widgets?|WIDGETS?/g

/** Words that begin with the sound of a vowel: an invoice, an hour, but a user and a unit. */
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
    // In double quotes inside a string: a name of SQL, unless it is a key of JSON or the value of an attribute.
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
