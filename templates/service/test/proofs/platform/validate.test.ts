import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { validate } from '../../../src/platform/validate.ts'

describe('an issue of zod reads as a sentence after the name of the field', () => {
  const cases: readonly (readonly [z.ZodType, unknown, string])[] = [
    [z.string(), undefined, 'is required'],
    [z.enum(['draft', 'paid']), undefined, 'is required'],
    [z.string(), 7, 'must be text, was 7'],
    [z.string(), null, 'must be text, was null'],
    [z.number(), 'a secret', 'must be a number, was text'],
    [z.coerce.number(), 'x', 'must be a number'],
    [z.int(), 1.5, 'must be a whole number, was 1.5'],
    [z.int32(), 3_000_000_000, 'must be at most 2147483647, was 3000000000'],
    [z.number().max(100), 500, 'must be at most 100, was 500'],
    [z.number().lt(100), 100, 'must be less than 100, was 100'],
    [z.number().positive(), -1, 'must be more than 0, was -1'],
    [z.number().multipleOf(5), 7, 'must be a multiple of 5, was 7'],
    [z.bigint(), 'x', 'must be a whole number, was text'],
    [z.date(), 'x', 'must be a time, was text'],
    [z.tuple([z.int()]), 1, 'must be a list, was 1'],
    [z.record(z.string(), z.int()), 1, 'must be an object, was 1'],
    [z.object({ gone: z.never().optional() }), { gone: 1 }, 'must be left out'],
    [z.undefined(), 1, 'must be left out'],
    [z.void(), true, 'must be left out'],
    [z.boolean(), [], 'must be true or false, was a list'],
    [z.object({}), 'a', 'must be an object, was text'],
    [z.array(z.string()), {}, 'must be a list, was an object'],
    [z.string().min(1), '', 'must not be empty'],
    [z.string().min(12), 'a secret', 'must have at least 12 characters, has 8'],
    [z.string().max(2), 'abc', 'must have at most 2 characters, has 3'],
    [z.string().length(2), 'abc', 'must have exactly 2 characters, has 3'],
    [z.array(z.int()).max(1), [1, 2], 'must have at most 1 item, has 2'],
    [z.array(z.int()).min(2), [1], 'must have at least 2 items, has 1'],
    [z.set(z.int()).min(1), new Set(), 'must not be empty'],
    [z.set(z.int()).min(2), new Set([1]), 'must have at least 2 items, has 1'],
    [z.set(z.int()).max(1), new Set([1, 2]), 'must have at most 1 item, has 2'],
    [z.map(z.string(), z.int()).min(2), new Map([['a', 1]]), 'must have at least 2 entries, has 1'],
    [
      z.map(z.string(), z.int()).max(1),
      new Map(Object.entries({ a: 1, b: 2 })),
      'must have at most 1 entry, has 2',
    ],
    [z.file().min(3), new File(['ab'], 'a.txt'), 'must have at least 3 bytes, has 2'],
    [z.file().max(1), new File(['ab'], 'a.txt'), 'must have at most 1 byte, has 2'],
    [z.date().min(new Date(0)), new Date(-1), 'must be at least 1970-01-01T00:00:00.000Z'],
    [z.enum(['draft', 'paid']), 'lost', 'must be one of draft, paid'],
    [z.literal('1.0'), '2.0', 'must be 1.0'],
    [z.email(), 'x', 'must be an email address'],
    [z.iso.datetime(), 'x', 'must be a time such as 2026-01-31T12:00:00Z'],
    [z.iso.date(), 'x', 'must be a date such as 2026-01-31'],
    [z.iso.time(), 'x', 'must be a time of day such as 12:00:00'],
    [z.iso.duration(), 'x', 'must be a duration such as P1D'],
    [z.url(), 'x', 'must be a URL'],
    [z.uuid(), 'x', 'must be a UUID'],
    [z.guid(), 'y', 'must be a UUID'],
    [z.ulid(), 'x', 'must be a ULID'],
    [z.ipv4(), 'x', 'must be an IPv4 address'],
    [z.ipv6(), 'x', 'must be an IPv6 address'],
    [z.cidrv4(), 'x', 'must be an IPv4 network such as 10.0.0.0/8'],
    [z.cidrv6(), 'x', 'must be an IPv6 network such as 2001:db8::/32'],
    [z.hostname(), '?', 'must be a host name'],
    [z.e164(), 'x', 'must be a phone number such as +4930123456'],
    [z.jwt(), 'x', 'must be a JWT'],
    [z.emoji(), 'x', 'must be an emoji'],
    [z.templateLiteral(['inv-', z.boolean()]), 'x', 'must match ^inv-(?:true|false)$'],
    [z.base64(), '?', 'must be base64'],
    [z.string().regex(/^a+$/), 'b', 'must match /^a+$/'],
    [z.string().startsWith('inv-'), 'b', 'must begin with inv-'],
    [z.string().endsWith('-inv'), 'b', 'must end with -inv'],
    [z.string().includes('inv'), 'b', 'must contain inv'],
    [z.strictObject({}), { a: 1, b: 2 }, 'must not have "a", "b"'],
    [
      z.record(z.string().max(1), z.int()),
      { ab: 1 },
      'has an invalid key: must have at most 1 character, has 2',
    ],
    [
      z.union([z.string(), z.object({ id: z.int() })]),
      { id: true },
      'must be text, was an object, or id must be a number, was true',
    ],
    [z.map(z.object({}), z.int()), new Map([[{}, 'a']]), 'has an invalid value: must be a number, was text'],
    [z.xor([z.string(), z.string().min(1)]), 'a', 'must fit one form only'],
    [z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') })]), { kind: 'b' }, 'must be one of a'],
    [z.string().refine(() => false), 'a', 'is not valid'],
  ]
  const named = cases.map(([schema, value, message]) => ({ schema, value, message }))
  test.for(named)('$message', ({ schema, value, message }) => {
    const result = validate(schema, value)
    expect('issues' in result && result.issues.first.map((issue) => issue.message)).toEqual([message])
  })

  test('a message of the schema itself stays', () => {
    const result = validate(z.string('must be your name').min(3, 'must be longer'), 'a')
    expect(result).toMatchObject({ issues: { first: [{ message: 'must be longer' }] } })
  })
})
