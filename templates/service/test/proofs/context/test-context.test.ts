import { expect, test } from 'vitest'
import { Canceled, withCancel } from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'

test('is open while the test runs, and ends with the test (go doc: testing.T.Context)', () => {
  const finished: (() => void)[] = []
  const ctx = testContext({ onTestFinished: (fn) => finished.push(fn) })
  const child = withCancel(ctx)
  expect([ctx.err, child.err]).toEqual([undefined, undefined])
  for (const fn of finished) fn()

  expect([ctx.err, child.err]).toEqual([Canceled, Canceled])
})

const seen: ReturnType<typeof testContext>[] = []

test('is open during the test (go doc: testing.T.Context)', (t) => {
  seen.push(testContext(t))

  expect(seen.map((ctx) => ctx.err)).toEqual([undefined])
})

test('and has ended after it (go doc: testing.T.Context)', () => {
  expect(seen.map((ctx) => ctx.err)).toEqual([Canceled])
})
