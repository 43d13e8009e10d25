import { expect, test } from 'vitest'
import { withTimeout } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { openDatabase } from '../../../../src/platform/database/database.ts'
import { recordedLog } from '../../support/recorded-log.ts'

test('after the deadline the service no longer logs that it waits for the database', async (t) => {
  const log = recordedLog()
  const startedAt = performance.now()
  using ctx = withTimeout(testContext(t), 1_100)
  const url = 'postgres://service@127.0.0.1:1/nowhere'
  const opening = openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'test' })
  // The line is due after 1,000 ms and the deadline after 1,100; the event loop is free only after both, and runs them in order.
  setTimeout(() => {
    while (performance.now() - startedAt < 1_300);
  }, 900)

  await expect(opening).rejects.toThrow('the database at 127.0.0.1:1/nowhere does not answer')

  expect(log.lines).toEqual([])
})
