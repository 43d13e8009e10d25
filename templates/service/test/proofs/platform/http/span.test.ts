import type { IncomingHttpHeaders } from 'node:http'
import { expect, test, vi, type TestContext } from 'vitest'
import { startCollector, type ReceivedSpan } from '../../../support/otlp.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { withValue, type Context } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import type { Outcome } from '../../../../src/platform/telemetry/outcome.ts'
import { requestKey } from '../../../../src/platform/request.ts'
import { endServerSpan, startServerSpan } from '../../../../src/platform/http/span.ts'
import { span, traceOf, tracer } from '../../../../src/platform/telemetry/span.ts'
import { startTelemetry } from '../../../../src/platform/telemetry/telemetry.ts'

const ok: Outcome = { route: '/items/:id', status: 200, cause: undefined, failure: undefined }
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** Makes one request's span, with `work` below it, and returns what a collector received. */
async function record(
  t: TestContext,
  request: { method?: string; headers?: IncomingHttpHeaders },
  outcome: Outcome,
  work: (ctx: Context) => Promise<void> = () => Promise.resolve(),
): Promise<ReceivedSpan[]> {
  const collector = await startCollector(t)
  vi.stubEnv('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', `${collector.url}/v1/traces`)
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json')
  t.onTestFinished(() => void vi.unstubAllEnvs())
  const ctx = testContext(t)
  const telemetry = await startTelemetry(ctx, { serviceName: 'shop', log: recordedLog() })
  await serve(ctx, request, outcome, work)
  await telemetry.close(ctx)
  return [...collector.spans]
}

async function serve(
  parent: Context,
  request: { method?: string; headers?: IncomingHttpHeaders },
  outcome: Outcome,
  work: (ctx: Context) => Promise<void>,
): Promise<void> {
  const info = { id: '1', method: request.method ?? 'GET', path: '/items/7' }
  const spans = tracer()
  if (spans === undefined) throw new Error('nothing is traced')
  const ctx = startServerSpan(withValue(parent, requestKey, info), spans, request.headers ?? {}, info, '/')
  await work(ctx)
  endServerSpan(ctx, outcome)
}

test('it is named after the route and carries the stable HTTP attributes', async (t) => {
  const [received] = await record(t, { headers: { 'user-agent': 'test' } }, ok)

  expect(received).toMatchObject({ name: 'GET /items/:id', kind: 2, parentSpanId: '', status: { code: 0 } })
  expect(received?.attributes).toEqual({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'http.route': '/items/:id',
    'url.path': '/items/7',
    'url.scheme': 'http',
    'user_agent.original': 'test',
  })
  expect(received?.events).toEqual([])
})

test('it continues the trace of its caller, and is the parent of the work under its context', async (t) => {
  const [below, received] = await record(t, { headers: { traceparent } }, ok, (ctx) =>
    span(ctx, 'below', {}, () => Promise.resolve()),
  )

  expect(received).toMatchObject({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
  })
  expect(below).toMatchObject({ name: 'below', traceId: received?.traceId, parentSpanId: received?.spanId })
})

test('a trace that the caller does not sample is not sampled here, and the logs still have its id', async (t) => {
  let traceId: string | undefined
  const headers = { traceparent: traceparent.replace(/01$/, '00') }
  const received = await record(t, { headers }, ok, (ctx) => {
    traceId = traceOf(ctx)?.traceId
    return Promise.resolve()
  })

  expect(received).toEqual([])
  expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c')
})

test('a hang-up is a 499 with its cause, and no error of the service', async (t) => {
  const outcome = { ...ok, status: 499, cause: 'ClientDisconnected' }
  const [received] = await record(t, {}, outcome)

  expect(received?.status.code).toBe(0)
  expect(received?.attributes).toMatchObject({
    'http.response.status_code': 499,
    'error.type': 'ClientDisconnected',
  })
  expect(received?.events).toEqual([
    { name: 'context.canceled', attributes: { 'context.cause': 'ClientDisconnected' } },
  ])
})

test.for([
  [504, 'DeadlineExceeded'],
  [503, 'ServerShutdown'],
  // Its headers were sent before the deadline passed.
  [200, 'DeadlineExceeded'],
] as const)('%i because of %s is an error', async ([status, cause], t) => {
  const [received] = await record(t, {}, { ...ok, status, cause })

  expect(received?.status.code).toBe(2)
  expect(received?.attributes).toMatchObject({ 'http.response.status_code': status, 'error.type': cause })
})

test('a failure is recorded with its stack', async (t) => {
  const failure = new RangeError('out of it')
  const [received] = await record(t, {}, { ...ok, status: 500, failure })

  expect(received?.status.code).toBe(2)
  expect(received?.attributes['error.type']).toBe('RangeError')
  expect(received?.events[0]?.attributes).toMatchObject({
    'exception.type': 'RangeError',
    'exception.stacktrace': failure.stack,
  })
})

test('a mistake of the client is not an error, and a missing route gives the span no name', async (t) => {
  const [received] = await record(t, {}, { ...ok, status: 404, route: undefined })

  expect(received).toMatchObject({ name: 'GET', status: { code: 0 } })
  expect(received?.attributes).not.toHaveProperty('error.type')
  expect(received?.attributes).not.toHaveProperty('http.route')
})

test('an unknown method is _OTHER', async (t) => {
  const [received] = await record(t, { method: 'BREW' }, { ...ok, status: 405 })

  expect(received?.name).toBe('HTTP /items/:id')
  expect(received?.attributes).toMatchObject({
    'http.request.method': '_OTHER',
    'http.request.method_original': 'BREW',
  })
})

test('without a tracer provider no spans are made', async (t) => {
  expect(tracer()).toBeUndefined()

  let during = false
  await record(t, {}, ok, () => {
    during = tracer() !== undefined
    return Promise.resolve()
  })

  expect(during).toBe(true)
})
