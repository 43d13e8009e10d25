import fc from 'fast-check'
import { parseCronItem } from 'graphile-worker'
import { expect, test } from 'vitest'
import { cronFrom } from '../../templates/service/generators/pieces/schedule/piece.ts'

test('cronFrom accepts what graphile-worker accepts, and refuses what it refuses', () => {
  const number = fc.integer({ min: 0, max: 61 }).map(String)
  const part = fc.oneof(
    { weight: 4, arbitrary: number },
    { weight: 2, arbitrary: fc.tuple(number, number).map((ends) => ends.join('-')) },
    { weight: 2, arbitrary: fc.constantFrom('*', '*/1', '*/15', '*/0', '*/') },
    fc.constantFrom('', '-', '?', 'L', 'MON', '1-5/2', '1-', '-1', '1.5', '5#3', 'W'),
  )
  const field = fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => parts.join(','))
  const valid = [
    ['0', '59', '*/15', '0-30'],
    ['0', '23', '*'],
    ['1', '31', '*'],
    ['1', '12', '*'],
    ['0', '7', '*', '1-5'],
  ]
  // Fields drawn from these alone are valid, so that about half of the expressions are.
  const expression = fc
    .tuple(...valid.map((all) => fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...all) }, field)))
    .map((fields) => fields.join(' '))
  fc.assert(
    fc.property(expression, (typed) => {
      expect(
        accepts(() => cronFrom(typed)),
        typed,
      ).toBe(accepts(() => parseCronItem({ task: 'task', match: typed })))
    }),
    { numRuns: 5_000 },
  )
})

test.each([
  ['0 3 * *', 'is not a cron expression: give minute'],
  ['@daily', 'is not a cron expression: give minute'],
  ['60 3 * * *', '"60" is not a valid minute of a cron expression: use numbers from 0 to 59'],
  ['0 3 * * MON', '"MON" is not a valid day of the week'],
])('cronFrom refuses %j and names the field', (typed, why) => {
  expect(() => cronFrom(typed)).toThrow(why)
})

function accepts(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false
  }
}
