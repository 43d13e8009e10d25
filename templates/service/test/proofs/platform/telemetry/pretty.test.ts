import { expect, test } from 'vitest'
import { openPretty } from '../../../../src/platform/telemetry/pretty.ts'

test('the line of a request that failed or ended early tells the id to look for, of the trace if there is one', () => {
  const pretty = openPretty(false)
  const line = (fields: object): string =>
    pretty?.(JSON.stringify({ msg: 'request', method: 'GET', path: '/', requestId: 'r-1', ...fields })) ?? ''

  expect(line({ status: 200 })).not.toContain('r-1')
  expect(line({ status: 500 })).toMatch(/500 r-1\n$/)
  expect(line({ status: 499, cause: 'ClientDisconnected' })).toMatch(/499 ClientDisconnected r-1\n$/)
  expect(line({ status: 504, cause: 'DeadlineExceeded', traceId: 't-1' })).toMatch(/DeadlineExceeded t-1\n$/)
})
