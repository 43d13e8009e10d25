import { nameFrom } from '../../engine/nouns.ts'
import { enumOf, listOf, numeric, plainTypes, varchar, type Default, type FieldType } from './types.ts'

/** One field of a resource, from `--fields`. */
export interface Field {
  /** In TypeScript and in JSON: `dueAt`. */
  readonly name: string
  /** In SQL: `due_at`. */
  readonly column: string
  readonly type: FieldType
  readonly nullable: boolean
  /** The SQL name of the table whose `id` it holds. */
  readonly references: string | undefined
  readonly unique: boolean
  /** Whether the field gets an index for lists that are filtered by it. */
  readonly indexed: boolean
  readonly default: Default | undefined
}

/** What `npm run add -- resource --help` says about `--fields`. */
export const grammar = `Commas separate fields. A field is a name, a colon and a type: title:text

  text               any text
  varchar(200)       text of at most 200 characters
  integer            32 bits
  bigint             64 bits, in JSON a string
  numeric(10,2)      10 digits, 2 of them after the point, in JSON a string
  boolean            true or false
  uuid               an id
  date               2026-01-31
  timestamptz        2026-01-31T12:00:00Z
  enum(draft|paid)   one of these words
  jsonb              any JSON but null

  text[]             a list of a type (not of jsonb)
  timestamptz?       may be null
  uuid->owners       the id of a row of the table owners, which must exist

Words after the type, with a space before each:
  unique             no two rows have the same value: else the answer is 409
  index              an index, for lists that are filtered by the field;
                     references and unique fields have one
  default=draft      the value if a request leaves the field out: "in quotes" if
                     it has spaces or commas; now for a timestamptz, [] for a
                     list, {} or [] for jsonb
`

/** The names that a field cannot have, with their present use. */
const taken = new Map(
  Object.entries({
    'a field of every resource': 'id version createdAt updatedAt',
    'a parameter of every list': 'limit cursor',
    'a property of every object in JavaScript':
      'constructor prototype toString toLocaleString valueOf hasOwnProperty isPrototypeOf propertyIsEnumerable',
    'a column of every table in Postgres': 'ctid xmin xmax cmin cmax tableoid',
  }).flatMap(([what, names]) => names.split(' ').map((name) => [name, what] as const)),
)

/**
 * Parses `title:text, price:numeric(10,2), dueAt:timestamptz?, status:enum(draft|paid) default=draft, ownerId:uuid->owners`.
 * Throws an Error of one sentence that names the wrong field and says what is valid.
 */
export function fieldsFrom(list: string): Field[] {
  const fields = splitAtCommas(list).map(fieldFrom)
  const names = fields.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`--fields has "${twice}" twice: a field has one column.`)
  return fields
}

/** Makes the Error for a field. */
type Refuse = (why: string) => Error

const form = /^([^:]+?)\s*:\s*([a-z]\w*)\s*(?:\(([^)]*)\))?\s*(\[\s*\])?\s*(\?)?\s*(?:->\s*([\w-]+))?(.*)$/i

function fieldFrom(text: string, index: number): Field {
  const refuse: Refuse = (why) => new Error(`--fields, number ${index + 1}, ${JSON.stringify(text)}: ${why}.`)
  if (text === '') throw refuse('it is empty; write a field such as title:text')
  const match = form.exec(text)
  if (!match) {
    const [, left = 'dueAt', right = 'timestamptz?'] = /^(\w+)\s+([\w()?[\]]+)$/.exec(text) ?? []
    throw refuse(`write a name, a colon and a type, such as ${left}:${right} or ownerId:uuid->owners`)
  }
  const [, typed = '', word = '', parameters, list, optional, table, rest = ''] = match
  const words = wordsOf(typed, refuse)
  const name = words
    .map((part, at) => (at === 0 ? part : part.charAt(0).toUpperCase() + part.slice(1)))
    .join('')
  const already = taken.get(name)
  if (already !== undefined) throw refuse(`"${name}" is ${already}; choose another name`)
  const one = typeFrom(name, word.toLowerCase(), parameters, refuse)
  if (list !== undefined && one === plainTypes.get('jsonb'))
    throw refuse('a jsonb can hold a list itself; write jsonb')
  if (list !== undefined && table !== undefined)
    throw refuse('a list cannot refer to rows; write a resource of its own for it')
  const type = list === undefined ? one : listOf(one)
  const { unique, index: indexed, default: value } = optionsFrom(rest, refuse)
  if (unique && table !== undefined)
    throw refuse(
      'a reference cannot be unique, because the stamped test inserts rows that refer to the same row',
    )
  if (unique && !type.unique)
    throw refuse(
      'it cannot be unique; only text, varchar, integer, bigint, uuid, date and timestamptz can be',
    )
  if (indexed && type.parameter === undefined)
    throw refuse('it cannot have an index, because lists cannot be filtered by it')
  return {
    name,
    column: words.join('_'),
    type,
    nullable: optional !== undefined,
    references: table?.replaceAll('-', '_'),
    unique,
    indexed: !unique && (indexed || table !== undefined),
    default:
      value === undefined ? undefined : defaultFrom(value, type, unique || table !== undefined, refuse),
  }
}

interface Options {
  unique: boolean
  index: boolean
  default: string | undefined
}

/** The words after the type: `unique index default="in progress"`. */
function optionsFrom(text: string, refuse: Refuse): Options {
  const options: Options = { unique: false, index: false, default: undefined }
  for (let rest = text.trimEnd(); rest !== '';) {
    const match = /^[\s:]*(unique|index|default\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+)))(?=[\s:]|$)/i.exec(
      rest,
    )
    if (!match) {
      const word = rest.replace(/^[\s:]+/, '')
      const hint = hints.find(([pattern]) => pattern.test(word))
      if (hint !== undefined) throw refuse(hint[1])
      throw refuse(
        `unexpected ${JSON.stringify(word)}; a type may be followed by [], ?, ->table, unique, index and default=value`,
      )
    }
    // At most one of the three groups matches; join treats the others as empty.
    const [whole, word = '', ...values] = match
    if (/^default/i.test(word)) options.default = values.join('')
    else options[word.toLowerCase() as 'unique' | 'index'] = true
    rest = rest.slice(whole.length)
  }
  return options
}

/** Words that SQL and other tools use there, with the advice for each. */
const hints: readonly (readonly [RegExp, string])[] = [
  [/^;/, 'separate fields by commas'],
  [/^not\s+null\b|^required\b/i, 'leave that out; a field may be null only if its type ends with ?'],
  [/^(?:null|nullable|optional)\b/i, 'write ? after the type of a field that may be null'],
  [/^primary\s+key\b/i, 'leave that out; every resource has an id'],
  [/^references\b/i, 'write ->table after the type, as in ownerId:uuid->owners'],
  [/^default\s+(?!=)/i, 'write default=value, as in default=draft'],
]

function defaultFrom(value: string, type: FieldType, own: boolean, refuse: Refuse): Default {
  if (own) throw refuse('it cannot have a default, because each row has a value of its own')
  const found = /\p{Cc}/u.test(value) ? undefined : type.defaultFrom(value)
  if (found !== undefined) return found
  throw refuse(`${JSON.stringify(value)} cannot be its default; write one such as default=${type.default}`)
}

/** Splits a name of any case into words. Reserved words are valid: code and SQL use a field only as a property. */
function wordsOf(typed: string, refuse: Refuse): string[] {
  try {
    // With the prefix, no name is reserved.
    const words = nameFrom(`field ${typed}`).singular.split('-').slice(1)
    if (/^[a-z]/.test(words[0] ?? '')) return words
  } catch {
    // Reported below, for a field.
  }
  throw refuse(
    'its name must have at most 30 English letters and digits, beginning with a letter, such as dueAt',
  )
}

function typeFrom(name: string, word: string, parameters: string | undefined, refuse: Refuse): FieldType {
  const parts = parameters?.split(/[,|]/).map((part) => part.trim()) ?? []
  const numbers = parts.map((part) => (/^\d{1,8}$/.test(part) ? Number(part) : NaN))
  if (word === 'varchar') {
    const [length = NaN] = numbers
    if (numbers.length === 1 && length >= 1 && length <= 10_485_760) return varchar(length)
    throw refuse('write its greatest length, 1 to 10485760, as in varchar(200)')
  }
  if (word === 'numeric') {
    const [precision = NaN, scale = 0] = numbers
    if (numbers.length <= 2 && precision >= 1 && precision <= 1_000 && scale <= precision)
      return numeric(precision, scale)
    throw refuse('write its number of digits and how many of them follow the point, as in numeric(10,2)')
  }
  if (word === 'enum') return enumFrom(name, parts, refuse)
  const type = plainTypes.get(word)
  if (type === undefined) throw refuse(`there is no type ${word}; use ${instead.get(word) ?? known}`)
  if (parameters !== undefined) throw refuse(`${word} takes no parentheses`)
  return type
}

const known = `text, varchar(200), integer, bigint, numeric(10,2), boolean, uuid, date, timestamptz, enum(draft|paid) or jsonb`

/** The names of our types in other tools. */
const instead: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{
      string: 'text',
      char: 'varchar(200)',
      int: 'integer',
      int4: 'integer',
      int8: 'bigint',
      number: 'integer',
    },
    ...{ decimal: 'numeric(10,2)', float: 'numeric(10,2)', double: 'numeric(10,2)', real: 'numeric(10,2)' },
    ...{ money: 'numeric(10,2)', bool: 'boolean', datetime: 'timestamptz', timestamp: 'timestamptz' },
    ...{ json: 'jsonb', object: 'jsonb', references: 'uuid->owners', belongs_to: 'uuid->owners' },
  }),
)

function enumFrom(name: string, values: readonly string[], refuse: Refuse): FieldType {
  const [first, ...others] = values
  const valid = values.every((value) => /^[a-z\d][\w-]{0,59}$/i.test(value))
  if (first === undefined || !valid || new Set(values).size !== values.length)
    throw refuse('write its values, each once, of letters, digits, _ and -, as in enum(draft|paid)')
  // pgEnum itself is imported.
  if (name === 'pg') throw refuse('an enum cannot have the name "pg"; choose another name')
  return enumOf(`${name}Enum`, [first, ...others])
}

const closers: Readonly<Record<string, string>> = { '(': ')', '"': '"', "'": "'" }

/** Splits at the commas that are neither in parentheses nor in quotes. */
function splitAtCommas(list: string): string[] {
  const parts = ['']
  let closer = ''
  for (const char of list) {
    if (char === ',' && closer === '') parts.push('')
    else parts.push((parts.pop() ?? '') + char)
    if (closer === '') closer = closers[char] ?? ''
    else if (char === closer) closer = ''
  }
  return parts.map((part) => part.trim())
}
