import { nameFrom } from '../../engine/nouns.ts'

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
}

/** The code of a type of field. */
interface FieldType {
  /** The function of drizzle's pg-core that makes its column, with the rest of its arguments and calls. */
  readonly column: { readonly call: string; readonly options?: string; readonly then?: string }
  /** The schema of the input: zod's, or a function of `src/platform/http/values.ts`. */
  readonly input: string
  /** The schema of a query parameter; undefined if lists cannot be filtered by the field. */
  readonly parameter: string | undefined
  /** The schema of the output. */
  readonly shown: string
  /** Converts the value of the row to the output; undefined if they are the same. */
  readonly show?: (value: string) => string
  /** Two values for tests. */
  readonly examples: readonly [string, string]
}

const known = 'text, varchar(200), integer, bigint, numeric(10,2), boolean, uuid, date, timestamptz or jsonb'

/** Names of every row, of the parameters of lists, of every object of JavaScript and of every row of Postgres. */
const taken = new Set(
  `id version createdAt updatedAt limit cursor constructor prototype toString toLocaleString valueOf hasOwnProperty
  isPrototypeOf propertyIsEnumerable ctid xmin xmax cmin cmax tableoid`.split(/\s+/),
)

/**
 * Parses `title:text, price:numeric(10,2), dueAt:timestamptz?, ownerId:uuid->owners`.
 * Throws an Error of one sentence that names the wrong field and says what is valid.
 */
export function fieldsFrom(list: string): Field[] {
  const fields = splitOutsideParentheses(list).map(fieldFrom)
  const names = fields.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`--fields has "${twice}" twice: a field has one column.`)
  return fields
}

function fieldFrom(text: string, index: number): Field {
  const refuse = (why: string): Error =>
    new Error(`--fields, number ${index + 1}, ${JSON.stringify(text)}: ${why}.`)
  if (text === '') throw refuse('it is empty; write a field such as title:text')
  const match = /^([^:]+?)\s*:\s*([a-z]\w*)\s*(?:\(([^)]*)\))?\s*(\?)?\s*(?:->\s*([\w-]+))?$/i.exec(text)
  if (!match)
    throw refuse('write a name, a colon and a type, such as dueAt:timestamptz? or ownerId:uuid->owners')
  const [, typed = '', word = '', parameters, optional, table] = match
  const words = wordsOf(typed, refuse)
  const name = words
    .map((part, at) => (at === 0 ? part : part.charAt(0).toUpperCase() + part.slice(1)))
    .join('')
  if (taken.has(name)) throw refuse(`every resource already has "${name}"; choose another name`)
  return {
    name,
    column: words.join('_'),
    type: typeFrom(word.toLowerCase(), parameters, refuse),
    nullable: optional !== undefined,
    references: table?.replaceAll('-', '_'),
  }
}

/** The words of a name in whatever case. Reserved words are valid: code and SQL use a field only as a property. */
function wordsOf(typed: string, refuse: (why: string) => Error): string[] {
  try {
    // With the prefix, no name is reserved.
    const words = nameFrom(`field ${typed}`).singular.split('-').slice(1)
    if (/^[a-z]/.test(words[0] ?? '')) return words
  } catch {
    // Reported below, for a field.
  }
  throw refuse('its name must begin with a letter and have at most 30 letters and digits, such as dueAt')
}

function typeFrom(word: string, parameters: string | undefined, refuse: (why: string) => Error): FieldType {
  const numbers =
    parameters?.split(',').map((part) => (/^\s*\d{1,8}\s*$/.test(part) ? Number(part) : NaN)) ?? []
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
  const type = plain[word]
  if (type === undefined) throw refuse(`there is no type ${word}; use ${known}`)
  if (parameters !== undefined) throw refuse(`${word} takes no parentheses`)
  return type
}

const plain: Readonly<Record<string, FieldType>> = {
  text: {
    column: { call: 'text' },
    input: 'text()',
    parameter: 'text()',
    shown: 'z.string()',
    examples: ["'one'", "'other'"],
  },
  integer: {
    column: { call: 'integer' },
    input: 'integer()',
    parameter: 'integerParameter()',
    shown: 'z.int()',
    examples: ['1', '2'],
  },
  bigint: {
    column: { call: 'bigint', options: "{ mode: 'bigint' }" },
    input: 'bigInteger()',
    parameter: 'bigInteger()',
    shown: 'z.string()',
    show: (value) => `${value}.toString()`,
    examples: ["'9007199254740993'", "'-9223372036854775808'"],
  },
  boolean: {
    column: { call: 'boolean' },
    input: 'z.boolean()',
    parameter: 'booleanParameter()',
    shown: 'z.boolean()',
    examples: ['true', 'false'],
  },
  uuid: {
    column: { call: 'uuid' },
    input: 'z.uuid()',
    parameter: 'z.uuid()',
    shown: 'z.uuid()',
    examples: ["'01890a5d-ac96-774b-bcce-b302099a8057'", "'01890a5d-ac96-774b-bcce-b302099a8058'"],
  },
  date: {
    column: { call: 'date' },
    input: 'date()',
    parameter: 'date()',
    shown: 'z.iso.date()',
    examples: ["'2026-01-31'", "'2026-02-28'"],
  },
  timestamptz: {
    column: { call: 'timestamp', options: '{ withTimezone: true, precision: 3 }' },
    input: 'instant()',
    parameter: 'instant()',
    shown: 'z.iso.datetime()',
    show: (value) => `${value}.toISOString()`,
    examples: ["'2026-01-31T12:00:00.001Z'", "'2026-02-28T12:00:00.000Z'"],
  },
  jsonb: {
    column: { call: 'jsonb', then: '.$type<Record<string, unknown>>()' },
    input: 'jsonObject()',
    parameter: undefined,
    shown: 'z.record(z.string(), z.unknown())',
    examples: ['{ a: [1, null] }', '{ b: {} }'],
  },
}

function varchar(length: number): FieldType {
  return {
    column: { call: 'varchar', options: `{ length: ${length} }` },
    input: `text(${length})`,
    parameter: `text(${length})`,
    shown: 'z.string()',
    examples: length < 5 ? ["'1'", "'2'"] : ["'one'", "'other'"],
  }
}

function numeric(precision: number, scale: number): FieldType {
  const example = (digit: string): string =>
    `'${scale < precision ? digit : '0'}${scale === 0 ? '' : `.${digit.padEnd(scale, '0')}`}'`
  const decimal = `decimal(${precision}, ${scale})`
  return {
    column: { call: 'numeric', options: `{ precision: ${precision}, scale: ${scale} }` },
    input: decimal,
    parameter: decimal,
    shown: 'z.string()',
    examples: [example('1'), example('2')],
  }
}

function splitOutsideParentheses(list: string): string[] {
  return list.split(/,(?![^(]*\))/).map((part) => part.trim())
}
