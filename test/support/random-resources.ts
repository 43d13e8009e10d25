import fc from 'fast-check'
import type { Noun } from '../../templates/service/generators/engine/names.ts'

/** A resource that the user may add: `npm run add -- resource <word> --fields "…"`. */
export interface RandomResource {
  readonly word: string
  readonly fields: readonly RandomField[]
}

export interface RandomField {
  readonly name: string
  readonly type: RandomType
  readonly nullable: boolean
  /** The option behind the type: ` unique`, ` index`, or nothing. */
  readonly option: string
}

/** A type of a field, and values that clients may send for it. */
export interface RandomType {
  readonly written: string
  /** JSON values, some of which do not fit the column, so the service must refuse them. */
  readonly values: fc.Arbitrary<unknown>
  /** Whether the returned value means the same as the sent one, if equality does not decide that. */
  readonly same?: (shown: unknown, sent: unknown) => boolean
}

const letters = fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyz'))
const syllables = fc.array(letters, { minLength: 1, maxLength: 7 }).map((all) => all.join(''))

/** English words with all kinds of plurals, words of SQL, JavaScript and the pieces, and words without a meaning. */
const nouns = fc.oneof(
  { weight: 3, arbitrary: syllables },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...'category box child person bus status address key day hero shelf knife index matrix quiz news series order user'.split(
        ' ',
      ),
      ...'group table column row value type name version limit cursor owner event record page list query body schema zod'.split(
        ' ',
      ),
      ...'context platform database request response route handler service test string number symbol object array map set date error'.split(
        ' ',
      ),
    ),
  },
)

const cased = (words: readonly string[]) =>
  fc.constantFrom(
    words.join('-'),
    words.join('_'),
    words.join(' '),
    words.map((word, index) => (index === 0 ? word : capital(word))).join(''),
    words.map(capital).join(''),
  )

const words = fc.array(nouns, { minLength: 1, maxLength: 3 }).chain(cased)

/** Any text of JSON, including text that Postgres cannot store: NUL and halves of surrogate pairs. */
const texts = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    ' ',
    "'; drop table x; --",
    '\\',
    '{}',
    'null',
    'a\u0000b',
    '\ud800',
    '\u{1F600}',
    '\r\n\t',
  ),
)

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }

const plainTypes = fc.oneof(
  fc.constant<RandomType>({ written: 'text', values: texts }),
  fc.integer({ min: 1, max: 12 }).map((length) => ({ written: `varchar(${length})`, values: texts })),
  fc.constant<RandomType>({
    written: 'integer',
    values: fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 2 ** 31, 0.5, '1')),
  }),
  fc.constant<RandomType>({
    written: 'bigint',
    values: fc.oneof(
      fc.bigInt(int64).map(String),
      fc.constantFrom(String(int64.min), String(int64.max + 1n), 1),
    ),
  }),
  fc
    .integer({ min: 1, max: 40 })
    .chain((precision) => fc.tuple(fc.constant(precision), fc.integer({ min: 0, max: precision })))
    .map(([precision, scale]) => numericOf(precision, scale)),
  fc.constant<RandomType>({ written: 'boolean', values: fc.oneof(fc.boolean(), fc.constant('true')) }),
  fc.constant<RandomType>({ written: 'uuid', values: fc.uuid() }),
  fc.constant<RandomType>({
    written: 'date',
    values: fc.oneof(
      fc
        .date({ min: new Date(-1e13), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
        .map(dayOf),
      fc.constantFrom('0000-01-01', '0001-01-01', '9999-12-31', '2026-02-30', '2024-02-29'),
    ),
  }),
  fc.constant<RandomType>({
    written: 'timestamptz',
    values: fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.constantFrom('0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '2026-01-31T12:00:00.5+02:00'),
    ),
    same: (shown, sent) => Date.parse(String(shown)) === Date.parse(String(sent)),
  }),
  fc
    .uniqueArray(fc.stringMatching(/^[A-Za-z\d][\w-]{0,9}$/), { minLength: 1, maxLength: 4 })
    .map((values) => ({
      written: `enum(${values.join('|')})`,
      values: fc.oneof(fc.constantFrom(...values), fc.constantFrom('', `${values[0] ?? ''}!`)),
    })),
)

const types = fc.oneof(
  { weight: 3, arbitrary: plainTypes },
  plainTypes.map(({ written, values, same = isEqual }: RandomType): RandomType => ({
    written: `${written}[]`,
    values: fc.array(values, { maxLength: 4 }),
    same: (shown: unknown, sent: unknown) =>
      Array.isArray(shown) &&
      Array.isArray(sent) &&
      shown.length === sent.length &&
      shown.every((one, index) => same(one, sent[index])),
  })),
  fc.constant<RandomType>({
    written: 'jsonb',
    values: fc.oneof(
      fc.dictionary(
        fc.oneof(texts, fc.constantFrom('__proto__', 'constructor', 'toString')),
        fc.jsonValue(),
        {
          maxKeys: 5,
        },
      ),
      fc.jsonValue(),
      texts,
      fc.constantFrom('1', 'true', 'null', '[]'),
    ),
    // JSON has no -0.
    same: (shown, sent) => canonical(shown) === canonical(JSON.parse(JSON.stringify(sent))),
  }),
)

const fields = fc.record<RandomField>({
  name: words.filter((name) => name.length <= 30),
  type: types,
  nullable: fc.boolean(),
  option: fc.constantFrom('', '', '', ' index', ' unique'),
})

/** A noun as the user types it; the command refuses some. */
export const resources = fc.record<RandomResource>({
  word: words,
  fields: fc.array(fields, { minLength: 1, maxLength: 8 }),
})

/** The value of `--fields`, with a reference to `parent` if there is one. */
export function listOf({ fields }: RandomResource, parent: Noun | undefined): string {
  const list = fields.map(
    ({ name, type, nullable, option }) =>
      `${name}:${type.written}${nullable ? '?' : ''}${optionFor(type, option)}`,
  )
  return [...list, ...(parent === undefined ? [] : [`parentRef:uuid->${parent.plural}`])].join(', ')
}

/** The option, if the type takes it. */
function optionFor({ written }: RandomType, option: string): string {
  if (/^jsonb|\[\]$/.test(written)) return ''
  return option === ' unique' && /^(?:numeric|boolean|enum)/.test(written) ? '' : option
}

function isEqual(shown: unknown, sent: unknown): boolean {
  return shown === sent
}

function numericOf(precision: number, scale: number): RandomType {
  const digits = (length: number) =>
    fc
      .array(fc.constantFrom(...Array.from('0123456789')), { minLength: length, maxLength: length })
      .map((all) => all.join(''))
  const whole =
    precision === scale ? fc.constant('0') : fc.integer({ min: 1, max: precision - scale }).chain(digits)
  const values = fc
    .tuple(
      fc.constantFrom('', '-'),
      whole,
      scale === 0 ? fc.constant('') : digits(scale).map((all) => `.${all}`),
    )
    .map((parts) => parts.join(''))
  return {
    written: `numeric(${precision},${scale})`,
    values: fc.oneof(values, fc.constantFrom('NaN', '1e3', `1${'0'.repeat(precision)}`)),
    // 007 and -0.0 are returned as 7 and 0.0.
    same: (shown, sent) => digitsOf(String(shown), scale) === digitsOf(String(sent), scale),
  }
}

/** A decimal number as the whole number of its last places. */
function digitsOf(decimal: string, scale: number): bigint {
  const [whole = '', fraction = ''] = decimal.split('.')
  const value = BigInt(whole.replace('-', '') + fraction.padEnd(scale, '0'))
  return decimal.startsWith('-') ? -value : value
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}

/** JSON with sorted keys: jsonb has its own order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))
      : inner,
  )
}
