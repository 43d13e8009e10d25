import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import {
  context as ambient,
  ROOT_CONTEXT,
  trace,
  type Context as OtelContext,
  type ContextManager,
} from '@opentelemetry/api'
import { expect, test, vi, type TestContext } from 'vitest'
import { startCollector } from '../../../support/otlp.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { withCancel, withTimeout, type Context } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { httpMetrics } from '../../../../src/platform/telemetry/metrics.ts'
import { span } from '../../../../src/platform/telemetry/span.ts'
import { startTelemetry, type Telemetry } from '../../../../src/platform/telemetry/telemetry.ts'

interface Started {
  readonly ctx: Context
  readonly telemetry: Telemetry
  readonly log: ReturnType<typeof recordedLog>
}

async function start(t: TestContext, env: Readonly<Record<string, string>>): Promise<Started> {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) vi.stubEnv(name, undefined)
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  t.onTestFinished(() => void vi.unstubAllEnvs())
  const ctx = testContext(t)
  const log = recordedLog()
  const telemetry = await startTelemetry(ctx, { serviceName: 'shop', log })
  t.onTestFinished(async () => {
    const gone = withCancel(ctx)
    gone.cancel()
    await telemetry.close(gone)
  })
  return { ctx, telemetry, log }
}

/** What the SDK sets by itself. */
function keepingAmbient(): ContextManager {
  const storage = new AsyncLocalStorage<OtelContext>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (context, work, self, ...args) => storage.run(context, () => work.apply(self, args)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

/** A port without a listener. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('spans arrive in one tree, with the name of the service, and are flushed when it closes', async (t) => {
  const collector = await startCollector(t)
  const { ctx, telemetry, log } = await start(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  })
  await span(ctx, 'outer', {}, (ctx) => span(ctx, 'inner', {}, () => Promise.resolve()))

  await telemetry.close(ctx)

  const [inner, outer] = collector.spans
  expect(collector.spans).toHaveLength(2)
  expect(outer).toMatchObject({ name: 'outer', parentSpanId: '', resource: { 'service.name': 'shop' } })
  expect(inner).toMatchObject({ name: 'inner', parentSpanId: outer?.spanId, traceId: outer?.traceId })
  expect(log.lines).toEqual([])
})

test('an instrumented library finds its parent span if an ambient context is kept, and only then', async (t) => {
  const collector = await startCollector(t)
  const { ctx, telemetry } = await start(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  })
  const library = async (): Promise<void> => {
    await Promise.resolve()
    trace.getTracer('a library').startSpan('theirs').end()
  }
  await span(ctx, 'alone', {}, library)
  ambient.setGlobalContextManager(keepingAmbient())
  await span(ctx, 'ours', {}, library)

  await telemetry.close(ctx)

  const ours = collector.spans.find(({ name }) => name === 'ours')
  const theirs = collector.spans.filter(({ name }) => name === 'theirs')
  expect(theirs.map(({ parentSpanId }) => parentSpanId)).toEqual(['', ours?.spanId])
})

test('OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name the service', async (t) => {
  const collector = await startCollector(t)
  const { ctx, telemetry } = await start(t, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    OTEL_SERVICE_NAME: 'till',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  })
  await span(ctx, 'work', {}, () => Promise.resolve())

  await telemetry.close(ctx)

  expect(collector.spans[0]?.resource).toMatchObject({
    'service.name': 'till',
    'deployment.environment.name': 'test',
  })
  expect(collector.requests).toEqual(['POST /v1/traces application/json'])
})

test('OTEL_BSP_SCHEDULE_DELAY sets the interval at which spans are sent', async (t) => {
  const collector = await startCollector(t)
  const { ctx } = await start(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '10',
  })
  const startedAt = performance.now()
  await span(ctx, 'work', {}, () => Promise.resolve())

  await collector.until(() => collector.spans.length === 1)

  // The default is 5 s.
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})

test('protobuf is the protocol if none is named, for traces and for metrics', async (t) => {
  const collector = await startCollector(t)
  const { ctx, telemetry, log } = await start(t, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
  await span(ctx, 'work', {}, () => Promise.resolve())

  await telemetry.close(ctx)

  expect(new Set(collector.requests)).toEqual(
    new Set(['POST /v1/traces application/x-protobuf', 'POST /v1/metrics application/x-protobuf']),
  )
  expect(log.lines).toEqual([])
})

test('metrics alone are sent without a tracer', async (t) => {
  const collector = await startCollector(t)
  const { ctx, telemetry } = await start(t, {
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/v1/metrics`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  })
  httpMetrics().finished('GET', { route: '/', status: 200, cause: undefined, failure: undefined }, 0.01)
  await span(ctx, 'work', {}, () => Promise.resolve())

  await telemetry.close(ctx)

  expect(collector.metrics).toContain('http.server.request.duration')
  expect(collector.spans).toEqual([])
})

test('nothing is exported without an endpoint or an exporter', async (t) => {
  const { ctx, telemetry, log } = await start(t, {})
  let recording = true
  await span(ctx, 'work', {}, (_ctx, current) => {
    recording = current.isRecording()
    return Promise.resolve()
  })

  await telemetry.close(ctx)

  expect(recording).toBe(false)
  expect(log.lines).toEqual([])
})

test('a missing collector is one warning for all batches, and the close ends in time', async (t) => {
  const port = await deadPort()
  const { ctx, telemetry, log } = await start(t, {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${port}/v1/traces`,
    // One batch for each span, and no time for a retry.
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1',
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
  })
  for (let i = 0; i < 5; i++) await span(ctx, `work ${i}`, {}, () => Promise.resolve())
  using budget = withTimeout(ctx, 1_000)

  const startedAt = performance.now()
  await telemetry.close(budget)

  expect(performance.now() - startedAt).toBeLessThan(1_500)
  const warnings = log.lines.filter((line) => line.level === 'warn').map((line) => line.message)
  expect(warnings).toHaveLength(2)
  expect(warnings[0]).toContain(`127.0.0.1:${port}`)
  expect(warnings[1]).toMatch(/not all was exported/)
})

test('an endpoint that cannot be reached is one warning at the start, with the variable that names it', async (t) => {
  const port = await deadPort()
  const { log } = await start(t, { OTEL_EXPORTER_OTLP_ENDPOINT: `http://localhost:${port}` })

  await expect.poll(() => log.lines).not.toEqual([])

  expect(log.lines.map((line) => [line.level, line.message])).toEqual([
    [
      'warn',
      `telemetry: nothing is exported until localhost:${port} can be reached, check OTEL_EXPORTER_OTLP_ENDPOINT: ECONNREFUSED`,
    ],
  ])
})

test('one warning names each address that cannot be reached', async (t) => {
  const ports = [await deadPort(), await deadPort()]
  const { log } = await start(t, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${ports[0]}/v1/traces`,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `http://127.0.0.1:${ports[1]}/v1/metrics`,
  })

  await expect.poll(() => log.lines).not.toEqual([])

  const messages = log.lines.map((line) => line.message)
  expect(messages).toHaveLength(1)
  expect(messages[0]).toContain(
    `127.0.0.1:${ports[0]} can be reached, check OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`,
  )
  expect(messages[0]).toContain(
    `127.0.0.1:${ports[1]} can be reached, check OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`,
  )
})

test('an endpoint that can be reached is not logged, and one that hangs delays neither the start nor the close', async (t) => {
  const server = createServer((socket) => socket.on('close', () => server.emit('looked')).resume())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.onTestFinished(() => void server.close())
  const looked = once(server, 'looked')
  const reached = await start(t, {
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  })
  await looked
  expect(reached.log.lines).toEqual([])
  await reached.telemetry.close(reached.ctx)

  const startedAt = performance.now()
  // An address of a network for documentation, from which no answer comes.
  const hung = await start(t, {
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://192.0.2.1',
  })
  await hung.telemetry.close(hung.ctx)
  expect(performance.now() - startedAt).toBeLessThan(2_500)
})

test('metrics still arrive if traces cannot', async (t) => {
  const collector = await startCollector(t, { holdMs: 200 })
  const { ctx, telemetry, log } = await start(t, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${await deadPort()}/v1/traces`,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/v1/metrics`,
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '100',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  })
  await span(ctx, 'work', {}, () => Promise.resolve())

  await telemetry.close(ctx)

  expect(collector.requests).toEqual(['POST /v1/metrics application/json'])
  expect(log.lines.at(-1)?.message).toMatch(/not all was exported/)
})

test('an exporter that does not exist is logged, and the service starts', async (t) => {
  const { log } = await start(t, { OTEL_TRACES_EXPORTER: 'carrier-pigeon' })

  const messages = log.lines.map((line) => line.message)
  expect(messages).toContainEqual(expect.stringContaining('carrier-pigeon'))
  expect(messages).toContainEqual(expect.stringContaining('no traces will be exported'))
})

test('OTEL_SDK_DISABLED collects nothing', async (t) => {
  const collector = await startCollector(t)
  const { ctx, telemetry } = await start(t, {
    OTEL_SDK_DISABLED: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  })
  await span(ctx, 'work', {}, () => Promise.resolve())

  await telemetry.close(ctx)

  expect(collector.requests).toEqual([])
})
