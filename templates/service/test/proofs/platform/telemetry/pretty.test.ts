import { expect, test } from 'vitest'
import { openPretty } from '../../../../src/platform/telemetry/pretty.ts'

test('a failure is shown with its statement and the frames outside of Node, paths from the folder of the service', () => {
  const stack = `QueryFailed: no such column
    at async list (${process.cwd()}/src/documents/documents.repository.ts:1:2)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at node:events:1:2
    at file://${process.cwd()}/src/main.ts:1:2`
  const err = { type: 'QueryFailed', message: 'no such column', stack, statement: 'select 1' }
  const shown = `    QueryFailed: no such column
        at async list (src/documents/documents.repository.ts:1:2)
        at src/main.ts:1:2
`
  const pretty = openPretty(false)
  const request = { msg: 'request', method: 'GET', path: '/', status: 500, requestId: 'r-1', err }
  expect(pretty?.(JSON.stringify(request))).toBe(`[] GET    / 500 r-1\n${shown}    statement: select 1\n`)
  const other = pretty?.(JSON.stringify({ msg: 'failed', err }))
  expect(other).toContain('at src/main.ts:1:2')
  expect(other).not.toContain('node:')
})

test('a request that the admin port refused is one line, with the reason', () => {
  const line = { msg: 'admin request', method: 'GET', path: '/', status: 404, refused: 'there is /metrics' }
  expect(openPretty(false)?.(JSON.stringify(line))).toBe('[] GET    / 404 there is /metrics\n')
})

test('an empty object or list is left out', () => {
  const line = JSON.stringify({ msg: 'start-up failed', tookMs: {}, abandoned: [], port: 0 })
  expect(openPretty(false)?.(line)).toBe('start-up failed {"port":0}\n')
})

test('the line of a request that failed or ended early has the id to search for: that of the trace, if there is one', () => {
  const pretty = openPretty(false)
  const line = (fields: object): string =>
    pretty?.(JSON.stringify({ msg: 'request', method: 'GET', path: '/', requestId: 'r-1', ...fields })) ?? ''

  expect(line({ status: 200 })).not.toContain('r-1')
  expect(line({ status: 500 })).toMatch(/500 r-1\n$/)
  expect(line({ status: 499, cause: 'ClientDisconnected' })).toMatch(/499 ClientDisconnected r-1\n$/)
  expect(line({ status: 504, cause: 'DeadlineExceeded', traceId: 't-1' })).toMatch(/DeadlineExceeded t-1\n$/)
})
