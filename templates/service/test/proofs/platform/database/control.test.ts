import pg from 'pg'
import { expect, test } from 'vitest'
import { testContext } from '../../../../src/context/test-context.ts'
import { openControl } from '../../../../src/platform/database/control.ts'

test('a client that cannot be made, as without the file of its certificate, fails one cancel and pauses the next', async (t) => {
  const ctx = testContext(t)
  const reasons: unknown[] = []
  const missing = new Error('no certificate')
  const control = openControl(
    () => {
      throw missing
    },
    (_ctx, reason) => reasons.push(reason),
  )
  const cancel = (pid: number) =>
    control.cancel(ctx, new pg.Client(), { pid, startedAt: '2026-01-01', serverStartedAt: '2026-01-01' })

  expect(await cancel(1)).toBe('unsent')
  expect(await cancel(2)).toBe('unsent')
  expect(reasons).toEqual([missing])
})
