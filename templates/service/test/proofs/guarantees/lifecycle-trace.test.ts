/**
 * Promise: A start is one trace and a stop is one trace, with a span for each phase, whether they succeed or fail.
 * Go: `ctx, span := tracer.Start(ctx, "start-up"); defer span.End()` in `main`
 * Held by: src/main.ts, src/platform/telemetry/span.ts, src/platform/lifecycle/closers.ts, src/platform/http/server.ts
 */
import { expect, test, type TestContext } from 'vitest'
import { eventually, open, running } from '../../support/client.ts'
import { startCollector, type Collector, type ReceivedSpan } from '../../support/otlp.ts'
import { startProcess, startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const failed = 2

async function collecting(t: TestContext): Promise<{ collector: Collector; env: Record<string, string> }> {
  const collector = await startCollector(t)
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRICS_EXPORTER: 'none',
  }
  return { collector, env }
}

/** The trace whose only root is called `name`: that root, and each span as `parent > name`, in the order of their ends. */
function traceNamed(collector: Collector, name: string): { root: ReceivedSpan | undefined; edges: string[] } {
  const roots = collector.spans.filter((span) => span.name === name && span.parentSpanId === '')
  expect(roots).toHaveLength(1)
  const [root] = roots
  const trace = collector.spans.filter((span) => span.traceId === root?.traceId)
  const nameOf = (spanId: string): string => trace.find((span) => span.spanId === spanId)?.name ?? '?'
  const below = trace.filter((span) => span !== root)
  return { root, edges: below.map((span) => `${nameOf(span.parentSpanId)} > ${span.name}`) }
}

/** The one span of that name in the trace of `root`. */
function phaseOf(collector: Collector, root: ReceivedSpan | undefined, name: string): ReceivedSpan {
  const [found, ...more] = collector.spans.filter(
    (span) => span.traceId === root?.traceId && span.name === name,
  )
  if (found === undefined || more.length > 0) throw new Error(`not one span ${name}`)
  return found
}

test('a start and a stop are one whole trace each: what was opened, with its statements, and what was closed', async (t) => {
  const { collector, env } = await collecting(t)
  const service = await startService(t, { probe: proofs, env: { ...env, SHUTDOWN_DRAIN_MS: '100' } })
  const request = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  expect((await request.answer).status).toBe(503)
  expect(await service.exited).toEqual({ code: 0, signal: null })
  const started = traceNamed(collector, 'start-up')
  expect(Array.from(new Set(started.edges))).toEqual([
    'database > SELECT',
    'start-up > database',
    'migrations > BEGIN',
    'migrations > SELECT',
    'migrations > COMMIT',
    'start-up > migrations',
    'start-up > storage',
    'start-up > prepare',
    'start-up > admin',
    'start-up > listen',
  ])
  const stopped = traceNamed(collector, 'shutdown')
  const closed = ['delay', 'drain', 'cancel', 'admin listener', 'database']
  expect(stopped.edges).toEqual(closed.map((name) => `shutdown > ${name}`))
  expect([started.root?.status.code, stopped.root?.status.code]).toEqual([0, 0])
  // A request belongs to neither trace, though the start has opened its listener and the stop has ended it.
  const lifecycle = new Set([started.root?.traceId, stopped.root?.traceId])
  const requests = collector.spans.filter((span) => span.name === 'GET /probe/query')
  expect(requests.map((span) => [span.parentSpanId, lifecycle.has(span.traceId)])).toEqual([['', false]])
  expect(service.log.find(({ msg }) => msg === 'listening')).toMatchObject({ traceId: started.root?.traceId })
  expect(service.log.at(-1)).toMatchObject({ msg: 'stopped', traceId: stopped.root?.traceId })
})

test('a failed start is exported, with the failed phase and the cause', async (t) => {
  const { collector, env } = await collecting(t)
  const database = 'postgres://service@127.0.0.1:1/nowhere'
  const service = startProcess(t, { env: { ...env, DATABASE_URL: database, STARTUP_TIMEOUT_MS: '4000' } })

  expect((await service.exited).code).toBe(1)

  const { root } = traceNamed(collector, 'start-up')
  for (const span of [root, phaseOf(collector, root, 'database')]) {
    expect(span?.status.code).toBe(failed)
    expect(span?.attributes['error.type']).toBe('DeadlineExceeded')
  }
  expect(traceNamed(collector, 'shutdown').root?.status.code).toBe(0)
})

test('a stop that abandons work records the phase that did not finish', async (t) => {
  const { collector, env } = await collecting(t)
  const budgets = { SHUTDOWN_DRAIN_MS: '50', SHUTDOWN_CANCEL_MS: '50', SHUTDOWN_FLUSH_MS: '600' }
  const service = await startService(t, { probe: proofs, env: { ...env, ...budgets } })
  const request = open(`${service.url}/probe/stuck?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  service.signal('SIGTERM')

  expect((await request.answer).status).toBe(503)
  expect((await service.exited).code).toBe(1)
  const { root } = traceNamed(collector, 'shutdown')
  expect(root?.status.code).toBe(failed)
  expect(phaseOf(collector, root, 'database')).toMatchObject({
    status: { code: failed },
    attributes: { 'error.type': 'DeadlineExceeded' },
  })
})
