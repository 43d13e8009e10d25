/** The code of a type of field. */
export interface FieldType {
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
  /** The code of a default value that the user typed; undefined if the type does not have this value. */
  readonly defaultFrom: (typed: string) => Default | undefined
  /** A default value that is valid, for messages. */
  readonly default: string
  /** Whether a field of this type can be unique: tests must be able to make as many values as they need. */
  readonly unique: boolean
  /** The values of an enum. */
  readonly values?: readonly string[]
}

/** The calls that give a column and the schema of the input a default value. */
export interface Default {
  readonly column: string
  readonly input: string
}

const plain: Readonly<Record<string, FieldType>> = {
  text: {
    column: { call: 'text' },
    input: 'text()',
    parameter: 'text()',
    shown: 'z.string()',
    examples: ["'one'", "'other'"],
    defaultFrom: (typed) => same(quoted(typed)),
    default: '"no title"',
    unique: true,
  },
  integer: {
    column: { call: 'integer' },
    input: 'integer()',
    parameter: 'integerParameter()',
    shown: 'z.int()',
    examples: ['1', '2'],
    defaultFrom: (typed) =>
      isWhole(typed) && BigInt.asIntN(32, BigInt(typed)) === BigInt(typed)
        ? same(String(Number(typed)))
        : undefined,
    default: '0',
    unique: true,
  },
  bigint: {
    column: { call: 'bigint', options: "{ mode: 'bigint' }" },
    input: 'bigInteger()',
    parameter: 'bigInteger()',
    shown: 'z.string()',
    show: (value) => `${value}.toString()`,
    examples: ["'9007199254740993'", "'-9223372036854775808'"],
    // drizzle-kit cannot write a bigint default, so it gets SQL.
    defaultFrom: (typed) =>
      isWhole(typed) && BigInt.asIntN(64, BigInt(typed)) === BigInt(typed)
        ? { column: `.default(sql\`${BigInt(typed)}\`)`, input: `.prefault('${BigInt(typed)}')` }
        : undefined,
    default: '0',
    unique: true,
  },
  boolean: {
    column: { call: 'boolean' },
    input: 'z.boolean()',
    parameter: 'booleanParameter()',
    shown: 'z.boolean()',
    examples: ['true', 'false'],
    defaultFrom: (typed) => (/^(?:true|false)$/.test(typed) ? same(typed) : undefined),
    default: 'false',
    unique: false,
  },
  uuid: {
    column: { call: 'uuid' },
    input: 'z.uuid()',
    parameter: 'z.uuid()',
    shown: 'z.uuid()',
    examples: ["'01890a5d-ac96-774b-bcce-b302099a8057'", "'01890a5d-ac96-774b-bcce-b302099a8058'"],
    defaultFrom: (typed) =>
      /^[\da-f]{8}-[\da-f]{4}-[1-8][\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.test(typed)
        ? same(quoted(typed.toLowerCase()))
        : undefined,
    default: '01890a5d-ac96-774b-bcce-b302099a8057',
    unique: true,
  },
  date: {
    column: { call: 'date' },
    input: 'date()',
    parameter: 'date()',
    shown: 'z.iso.date()',
    examples: ["'2026-01-31'", "'2026-02-28'"],
    defaultFrom: (typed) => (isDate(typed) ? same(quoted(typed)) : undefined),
    default: '2026-01-31',
    unique: true,
  },
  timestamptz: {
    column: { call: 'timestamp', options: '{ withTimezone: true, precision: 3 }' },
    input: 'instant()',
    parameter: 'instant()',
    shown: 'z.iso.datetime()',
    show: (value) => `${value}.toISOString()`,
    examples: ["'2026-01-31T12:00:00.001Z'", "'2026-02-28T12:00:00.000Z'"],
    defaultFrom: instantDefault,
    default: 'now',
    unique: true,
  },
  jsonb: {
    column: { call: 'json' },
    input: 'json()',
    parameter: undefined,
    shown: 'z.unknown()',
    examples: ['{ a: [1, null] }', "['b', {}]"],
    defaultFrom: (typed) => (/^(?:\{\}|\[\])$/.test(typed) ? same(typed) : undefined),
    default: '{}',
    unique: false,
  },
}

/** The types that take no parameters, by the word in `--fields`. */
export const plainTypes: ReadonlyMap<string, FieldType> = new Map(Object.entries(plain))

export function varchar(length: number): FieldType {
  return {
    column: { call: 'varchar', options: `{ length: ${length} }` },
    input: `text(${length})`,
    parameter: `text(${length})`,
    shown: 'z.string()',
    examples: length < 5 ? ["'1'", "'2'"] : ["'one'", "'other'"],
    defaultFrom: (typed) => (Array.from(typed).length <= length ? same(quoted(typed)) : undefined),
    default: 'a',
    unique: true,
  }
}

export function numeric(precision: number, scale: number): FieldType {
  const example = (digit: string): string =>
    `${scale < precision ? digit : '0'}${scale === 0 ? '' : `.${digit.padEnd(scale, '0')}`}`
  const decimal = `decimal(${precision}, ${scale})`
  const whole = precision === scale ? '0' : `\\d{1,${precision - scale}}`
  const valid = new RegExp(`^-?${whole}${scale === 0 ? '' : `(?:\\.\\d{1,${scale}})?`}$`)
  return {
    column: { call: 'numeric', options: `{ precision: ${precision}, scale: ${scale} }` },
    input: decimal,
    parameter: decimal,
    shown: 'z.string()',
    examples: [quoted(example('1')), quoted(example('2'))],
    defaultFrom: (typed) => (valid.test(typed) ? same(quoted(typed)) : undefined),
    default: example('1'),
    unique: false,
  }
}

/** One of some values. `constant` is the enum of drizzle, which the schema declares. */
export function enumOf(constant: string, values: readonly [string, ...string[]]): FieldType {
  const schema = `z.enum(${constant}.enumValues)`
  const [first, last = first] = [values[0], values.at(-1)]
  return {
    column: { call: constant },
    input: schema,
    parameter: schema,
    shown: schema,
    examples: [quoted(first), quoted(last)],
    defaultFrom: (typed) => (values.includes(typed) ? same(quoted(typed)) : undefined),
    default: first,
    unique: false,
    values,
  }
}

/** A list of values of this type, in a column that is an array. */
export function listOf(type: FieldType): FieldType {
  const { show } = type
  return {
    ...type,
    column: { ...type.column, then: `${type.column.then ?? ''}.array()` },
    input: `z.array(${type.input})`,
    parameter: undefined,
    shown: `z.array(${type.shown})`,
    ...(show && { show: (value: string) => `${value}.map((one) => ${show('one')})` }),
    examples: [`[${type.examples.join(', ')}]`, `[]`],
    defaultFrom: (typed) => (typed === '[]' ? same('[]') : undefined),
    default: '[]',
    unique: false,
  }
}

function instantDefault(typed: string): Default | undefined {
  if (typed === 'now') {
    return {
      column: '.defaultNow()',
      input: '.optional().transform((value) => (value === undefined ? new Date() : value))',
    }
  }
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(typed) ? Date.parse(typed) : NaN
  if (Number.isNaN(time) || typed < '0100') return undefined
  const instant = quoted(new Date(time).toISOString())
  return { column: `.default(new Date(${instant}))`, input: `.prefault(${instant})` }
}

function same(code: string): Default {
  return { column: `.default(${code})`, input: `.default(${code})` }
}

function isWhole(typed: string): boolean {
  return /^-?\d{1,19}$/.test(typed)
}

function isDate(typed: string): boolean {
  const time = /^\d{4}-\d\d-\d\d$/.test(typed) ? Date.parse(typed) : NaN
  return !Number.isNaN(time) && typed >= '0001' && new Date(time).toISOString().startsWith(typed)
}

/** The code of a string. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
