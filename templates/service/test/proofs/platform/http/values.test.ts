import { expect, test } from 'vitest'
import type { z } from 'zod'
import {
  bigInteger,
  booleanParameter,
  date,
  decimal,
  instant,
  integer,
  integerParameter,
  json,
  text,
} from '../../../../src/platform/http/values.ts'

const emoji = '\u{1F600}'

test.for<[string, z.ZodType, unknown[], unknown[]]>([
  ['text', text(), ['', `a${emoji}`, "'"], ['a\0', '\ud800', `\udc00${emoji}`, 1, null]],
  ['text of two', text(2), ['ab', emoji + emoji], ['abc']],
  ['integer', integer(), [0, 2 ** 31 - 1, -(2 ** 31)], [2 ** 31, 0.5, '1', NaN]],
  ['decimal(4, 2)', decimal(4, 2), ['0', '-12.34', '1.5'], ['123', '1.234', '1e1', 'NaN', '.5', 1]],
  ['decimal(2, 2)', decimal(2, 2), ['0.12', '-0.1'], ['1', '1.0']],
  ['decimal(2, 0)', decimal(2, 0), ['12'], ['1.0']],
  [
    'date',
    date(),
    ['0001-01-01', '2024-02-29'],
    ['0000-12-31', '2023-02-29', '2026-1-1', '2026-01-01T00:00:00Z'],
  ],
  [
    'JSON',
    json(),
    [{}, { a: [null, { b: 1 }] }, nested(100), [], [{ sku: 'a' }], 'a', '1', 0, false],
    [null, undefined, 'a\0', { a: 'b\0' }, [{ '\ud800': 1 }], nested(101), nested(50_000)],
  ],
])(
  '%s: a value that the column can hold stays as it is, and any other is refused',
  ([, schema, held, refused]) => {
    for (const value of held) expect(schema.safeParse(value)).toEqual({ success: true, data: value })
    for (const value of refused) expect(schema.safeParse(value).success).toBe(false)
  },
)

test.for<[string, z.ZodType, [string, unknown][], unknown[]]>([
  [
    'bigInteger',
    bigInteger(),
    [
      ['9223372036854775807', 2n ** 63n - 1n],
      ['-0', 0n],
    ],
    ['9223372036854775808', '1.0', '', 1],
  ],
  [
    'instant',
    instant(),
    [['2026-01-31T12:00:00+02:00', new Date('2026-01-31T10:00:00Z')]],
    ['0099-12-31T23:59:59Z', '9999-12-31T23:59:59-01:00', '2026-01-31'],
  ],
  ['integer parameter', integerParameter(), [['-7', -7]], ['', '1e3', '2147483648', ' 1']],
  [
    'boolean parameter',
    booleanParameter(),
    [
      ['true', true],
      ['false', false],
    ],
    ['1', 'TRUE', ''],
  ],
])('%s: valid text becomes its value, and any other is refused', ([, schema, held, refused]) => {
  for (const [sent, value] of held) expect(schema.safeParse(sent)).toEqual({ success: true, data: value })
  for (const value of refused) expect(schema.safeParse(value).success, String(value)).toBe(false)
})

test.for<[string, z.ZodType, unknown]>([
  ['must be without NUL and without halves of surrogate pairs', text(), 'a\0'],
  ['must have at most 2 characters', text(2), 'abc'],
  ['must be a whole number in a string, such as "42"', bigInteger(), '1.5'],
  ['must have at most 64 bits', bigInteger(), '9223372036854775808'],
  [
    'must be a decimal number in a string, with at most 2 digits before and 2 after the point',
    decimal(4, 2),
    '1,5',
  ],
  ['must be in a year from 0001 on', date(), '0000-12-31'],
  ['must be in the years 0100 to 9999, in UTC', instant(), '0099-12-31T23:59:59Z'],
  ['must be any JSON but null', json(), null],
  ['must be without NUL and without halves of surrogate pairs', json(), { a: 'b\0' }],
  ['must have at most 100 levels', json(), nested(101)],
  ['must be a whole number', integerParameter(), '0x10'],
  ['must be a whole number from 1 to 100', integerParameter(1, 100), '101'],
])('%s', ([message, schema, value]) => {
  expect(schema.safeParse(value).error?.issues.map((issue) => issue.message)).toEqual([message])
})

test('JSON keeps every key, __proto__ too', () => {
  const sent: unknown = JSON.parse('{"__proto__":{"a":1},"b":{"__proto__":2}}')
  expect(JSON.stringify(json().parse(sent))).toBe('{"__proto__":{"a":1},"b":{"__proto__":2}}')
})

/** An object of so many levels. */
function nested(levels: number): object {
  let value: object = {}
  for (let level = 1; level < levels; level++) value = { value }
  return value
}
