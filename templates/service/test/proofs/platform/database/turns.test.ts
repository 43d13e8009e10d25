import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Turns, type Queued } from '../../../../src/platform/database/turns.ts'

function call(caller: string, since = 0): Queued {
  return { caller, since, enter: () => undefined }
}

/** Takes all calls, as `caller since`. */
function taken(turns: Turns): string[] {
  const order: string[] = []
  for (let next = turns.next(); next !== undefined; next = turns.next())
    order.push(`${next.caller} ${next.since}`)
  return order
}

test('callers take turns, and the calls of each keep their order', () => {
  const turns = new Turns()
  for (const [caller, since] of [
    ['a', 1],
    ['a', 2],
    ['a', 3],
    ['b', 1],
    ['c', 1],
    ['b', 2],
  ] as const)
    turns.add(call(caller, since))

  expect(taken(turns)).toEqual(['a 1', 'b 1', 'c 1', 'a 2', 'b 2', 'a 3'])
  expect(turns.next()).toBeUndefined()
})

test('a call can be deleted once, and its caller is forgotten with its last call', () => {
  const turns = new Turns()
  const [gone, stays] = [call('a'), call('b')]
  turns.add(gone)
  turns.add(stays)

  expect([turns.delete(gone), turns.delete(gone), turns.delete(call('b'))]).toEqual([true, false, false])

  expect({ length: turns.length, callers: turns.callers }).toEqual({ length: 1, callers: 1 })
  expect([turns.of('a'), turns.of('b')]).toEqual([0, 1])
  expect(turns.next()).toBe(stays)
  expect({ length: turns.length, callers: turns.callers }).toEqual({ length: 0, callers: 0 })
})

/** What happens to a queue: a caller adds a call, a call that waits gives up, or the next one gets its turn. */
const step = fc.oneof(
  fc.record({ add: fc.constantFrom('a', 'b', 'c', 'd') }),
  fc.record({ leave: fc.nat(20) }),
  fc.constant('next' as const),
)

test('before(caller) is how many calls have their turn before one that the caller adds now', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom('a', 'b', 'e'), (steps, caller) => {
      const turns = new Turns()
      let waiting: Queued[] = []
      for (const one of steps) {
        if (one === 'next') {
          const next = turns.next()
          waiting = waiting.filter((each) => each !== next)
        } else if ('add' in one) {
          const added = call(one.add)
          waiting.push(added)
          turns.add(added)
        } else {
          const [left] = waiting.splice(one.leave, 1)
          if (left !== undefined) expect(turns.delete(left)).toBe(true)
        }
        expect(turns.length).toBe(waiting.length)
        expect(turns.callers).toBe(new Set(waiting.map(({ caller }) => caller)).size)
        for (const each of 'abcd')
          expect(turns.of(each)).toBe(waiting.filter((queued) => queued.caller === each).length)
      }

      const before = turns.before(caller)
      const last = call(caller)
      turns.add(last)

      let came = 0
      for (let next = turns.next(); next !== last; next = turns.next()) came++
      expect(came).toBe(before)
    }),
  )
})
