import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { metrics } from '@opentelemetry/api'
import { expect, test, vi, type TestContext } from 'vitest'
import { recordedLog } from '../../support/recorded-log.ts'
import { withCancel } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { ClientDisconnected } from '../../../../src/platform/causes.ts'
import { observePool } from '../../../../src/platform/telemetry/database-metrics.ts'
import { httpMetrics } from '../../../../src/platform/telemetry/metrics.ts'
import { openDirectory } from '../../../../src/platform/storage/directory.ts'
import { startTelemetry } from '../../../../src/platform/telemetry/telemetry.ts'

/** Starts telemetry that exports nothing. @returns what reads its metrics as Prometheus does */
async function start(t: TestContext, log = recordedLog()): Promise<() => Promise<string>> {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) vi.stubEnv(name, undefined)
  t.onTestFinished(() => void vi.unstubAllEnvs())
  const ctx = testContext(t)
  const telemetry = await startTelemetry(ctx, { serviceName: 'shop', log })
  const server = createServer(telemetry.metrics).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await telemetry.close(ctx)
  })
  const { port } = server.address() as AddressInfo
  return async () => (await fetch(`http://127.0.0.1:${port}`)).text()
}

/** The value of the first sample of `name` that has all of `labels`. */
function sample(text: string, name: string, ...labels: string[]): number | undefined {
  const line = text
    .split('\n')
    .find((line) => line.split(/[{ ]/)[0] === name && labels.every((label) => line.includes(label)))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

test('requests are counted by route and status, in the buckets that the conventions advise', async (t) => {
  const read = await start(t)
  const http = httpMetrics()
  http.started('GET')
  http.started('GET')
  http.finished('GET', { route: '/items/:id', status: 200, cause: undefined, failure: undefined }, 0.02)

  const text = await read()

  const labels = ['http_request_method="GET"', 'url_scheme="http"']
  const answered = [...labels, 'http_route="/items/:id"', 'http_response_status_code="200"']
  const duration = 'http_server_request_duration_seconds'
  expect(sample(text, 'http_server_active_requests', ...labels)).toBe(1)
  expect(sample(text, `${duration}_count`, ...answered)).toBe(1)
  expect(sample(text, `${duration}_sum`, ...answered)).toBeCloseTo(0.02)
  expect(sample(text, `${duration}_bucket`, ...answered, 'le="0.01"')).toBe(0)
  expect(sample(text, `${duration}_bucket`, ...answered, 'le="0.025"')).toBe(1)
  expect(text).not.toMatch(/error_type/)
})

test('a scrape that cannot be written fails, is logged, and does not end the process', async (t) => {
  const log = recordedLog()
  const read = await start(t, log)
  // The SDK counts this value, but cannot write it.
  const tenant = (() => 'a function that nobody called') as unknown as string
  metrics.getMeter('shop').createCounter('shop.orders').add(1, { tenant })

  expect(await read()).toMatch(/^the metrics could not be collected: /)

  const message = expect.stringMatching(/^telemetry: the metrics could not be collected: /) as string
  expect(log.lines).toContainEqual({ level: 'warn', message, fields: {} })
})

test('a hang-up counts as 499 with its cause, a failure with its name', async (t) => {
  const read = await start(t)
  const http = httpMetrics()
  http.finished('GET', { route: '/', status: 499, cause: 'ClientDisconnected', failure: undefined }, 1)
  http.finished('GET', { route: '/', status: 500, cause: undefined, failure: new TypeError('x') }, 1)

  const text = await read()

  const count = 'http_server_request_duration_seconds_count'
  expect(sample(text, count, 'status_code="499"', 'error_type="ClientDisconnected"')).toBe(1)
  expect(sample(text, count, 'status_code="500"', 'error_type="TypeError"')).toBe(1)
})

test('unknown methods share one series', async (t) => {
  const read = await start(t)
  const http = httpMetrics()
  for (const method of ['BREW', 'WHEN']) {
    http.started(method)
    http.finished(method, { route: undefined, status: 404, cause: undefined, failure: undefined }, 0.001)
  }

  const text = await read()

  expect(sample(text, 'http_server_request_duration_seconds_count', 'method="_OTHER"')).toBe(2)
  expect(text).not.toMatch(/BREW|WHEN/)
})

test('each reading of the metrics reads the pool', async (t) => {
  const read = await start(t)
  let stats = { total: 0, idle: 0, waiting: 0 }
  observePool(12, () => stats)
  await read()
  stats = { total: 10, idle: 3, waiting: 2 }

  const text = await read()

  expect(sample(text, 'db_client_connection_count', 'state="idle"')).toBe(3)
  expect(sample(text, 'db_client_connection_count', 'state="used"')).toBe(7)
  expect(sample(text, 'db_client_connection_pending_requests')).toBe(2)
  expect(sample(text, 'db_client_connection_limit')).toBe(12)
})

test('a blocked event loop is visible', async (t) => {
  const read = await start(t)
  await read()
  // Each reading starts again, with the next tick of the measuring timer.
  await setTimeout(50)
  const until = performance.now() + 150
  while (performance.now() < until);
  await setTimeout(50)

  const text = await read()

  expect(sample(text, 'nodejs_eventloop_delay_max_seconds')).toBeGreaterThan(0.1)
  expect(sample(text, 'nodejs_eventloop_delay_p50_seconds')).toBeLessThan(0.1)
})

test('an upload whose context ends before it is stored counts, a stored upload does not', async (t) => {
  const read = await start(t)
  const ctx = withCancel(testContext(t))
  const directory = await mkdtemp(join(tmpdir(), 'storage-'))
  t.onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const storage = await openDirectory(ctx, directory)
  await storage.put(ctx, 'stored', Readable.from(['one']))
  const putting = storage.put(ctx, 'cancelled', new Readable({ read: () => undefined }))

  ctx.cancel(new ClientDisconnected())
  await expect(putting).rejects.toThrow(ClientDisconnected)

  const text = await read()
  const labels = ['context_layer="storage"', 'context_cause="ClientDisconnected"']
  expect(sample(text, 'context_unwind_duration_seconds_count', ...labels)).toBe(1)
})
