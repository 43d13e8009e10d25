import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { metrics, type Meter, type MetricOptions } from '@opentelemetry/api'
import type { Context } from '../../context/context.ts'
import { causeName } from '../causes.ts'
import { errorType, knownMethod, type Outcome } from './outcome.ts'

// All of it is for after `startTelemetry`: the API hands out instruments that do nothing before.

/** TLS ends in front of the service. */
const scheme = { 'url.scheme': 'http' }
/** Seconds, as the HTTP conventions advise. */
export const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** Seconds: a statement is cancelled in milliseconds; work that is not cancelled takes as long as it takes. */
const unwindBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The server's metrics by the stable HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/). */
export function httpMetrics() {
  const duration = histogram(
    'http.server.request.duration',
    'Time from the first header of a request to the end of its response and its work.',
    durationBuckets,
  )
  // Counted here and read when the metrics are: an instrument would hash its attributes twice for each request.
  const active = new Map<string, number>()
  const count = (method: string, change: number): void =>
    void active.set(method, (active.get(method) ?? 0) + change)
  upDown('http.server.active_requests', 'Requests under way.', '{request}').addCallback((result) => {
    for (const [method, requests] of active)
      result.observe(requests, { 'http.request.method': method, ...scheme })
  })
  return {
    /** A request has been accepted. */
    started: (method: string): void => count(knownMethod(method), 1),
    /** It has ended, `seconds` after it was accepted. */
    finished(method: string, outcome: Outcome, seconds: number): void {
      const known = knownMethod(method)
      const type = errorType(outcome)
      count(known, -1)
      duration.record(seconds, {
        'http.request.method': known,
        ...scheme,
        ...(outcome.status > 0 && { 'http.response.status_code': outcome.status }),
        ...(outcome.route !== undefined && { 'http.route': outcome.route }),
        ...(type !== undefined && { 'error.type': type }),
      })
    },
  }
}

/**
 * Shows the database's pool, as `stats` returns it whenever the metrics are read.
 * @param max how many connections it opens at most
 */
export function observePool(
  max: number,
  stats: () => { total: number; idle: number; waiting: number },
): void {
  const pool = { 'db.client.connection.pool.name': 'postgresql' }
  const name = 'db.client.connection'
  const connections = upDown(`${name}.count`, 'Connections of the pool, by what they do.', '{connection}')
  const pending = upDown(`${name}.pending_requests`, 'Calls that wait for a connection.', '{request}')
  const most = upDown(`${name}.max`, 'Connections that the pool opens at most.', '{connection}')
  meter().addBatchObservableCallback(
    (result) => {
      const { total, idle, waiting } = stats()
      result.observe(most, max, pool)
      result.observe(connections, idle, { ...pool, 'db.client.connection.state': 'idle' })
      result.observe(connections, total - idle, { ...pool, 'db.client.connection.state': 'used' })
      result.observe(pending, waiting, pool)
    },
    [connections, pending, most],
  )
}

/**
 * Counts the calls that got a connection, with the time that they waited for one, and those that were refused: because none would
 * have been free before their `deadline`, or under `overload`.
 */
export function observeAdmission() {
  const pool = { 'db.client.connection.pool.name': 'postgresql' }
  const waited = histogram(
    'db.client.connection.wait_time',
    'Time that calls waited for a connection of the pool.',
    durationBuckets,
  )
  const refused = meter().createCounter('db.client.connection.refused', {
    description: 'Calls that were refused because no connection would have been free in time.',
    unit: '{request}',
  })
  // A rate needs the series before it grows.
  for (const why of ['deadline', 'overload']) refused.add(0, { ...pool, 'db.client.connection.refusal': why })
  return {
    admitted: (waitedMs: number): void => waited.record(waitedMs / 1_000, pool),
    refused: (why: 'deadline' | 'overload'): void =>
      refused.add(1, { ...pool, 'db.client.connection.refusal': why }),
  }
}

/** Shows how many lines of the log were dropped. */
export function observeLog(log: { readonly dropped: number }): void {
  meter()
    .createObservableCounter('log.lines.dropped', {
      description: 'Lines of the log that stdout did not take.',
      unit: '{line}',
    })
    .addCallback((result) => result.observe(log.dropped))
}

/**
 * Counts a cancel of a statement in Postgres: over the `control` connection, with a CancelRequest (`request`), or one
 * that `failed` and cost the connection of its statement.
 */
export function countCancel(outcome: 'control' | 'request' | 'failed'): void {
  meter()
    .createCounter('db.client.cancels', { description: 'Cancels sent to Postgres.', unit: '{cancel}' })
    .add(1, { 'db.client.cancel.outcome': outcome })
}

/**
 * Reports work that has stopped because its context had ended: how often and why, by layer, and how long it kept running.
 * For `http` that is until nothing of the request is left, for `database` until Postgres has ended the statement, for
 * `storage` until nothing of the content is left. Work that is not cancelled does not come by here.
 * @param endedAt when the context ended, in milliseconds of performance.now()
 */
export function unwound(ctx: Context, layer: 'http' | 'database' | 'storage', endedAt: number): void {
  histogram(
    'context.unwind.duration',
    'Time from the end of a context until the work under it had stopped.',
    unwindBuckets,
  ).record((performance.now() - endedAt) / 1_000, {
    'context.layer': layer,
    'context.cause': causeName(ctx) ?? 'none',
  })
}

/**
 * Shows how late the event loop runs its timers: how long a request waits while other code does not yield. Each reading
 * covers the time since the one before.
 * @returns what ends the measuring
 */
export function observeEventLoop(): () => void {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const options: MetricOptions = { description: 'How late timers fired since the last reading.', unit: 's' }
  const quantiles = [50, 99, 100].map((percent) => {
    const name = `nodejs.eventloop.delay.${percent === 100 ? 'max' : `p${percent}`}`
    return { percent, gauge: meter().createObservableGauge(name, options) }
  })
  meter().addBatchObservableCallback(
    (result) => {
      for (const { percent, gauge } of quantiles) result.observe(gauge, delay.percentile(percent) / 1e9)
      delay.reset()
    },
    quantiles.map(({ gauge }) => gauge),
  )
  return () => delay.disable()
}

/** Shows what the process holds of memory: all of it, and V8's heap against the size at which V8 gives up. */
export function observeMemory(): void {
  const bytes = (name: string, description: string, read: () => number): void =>
    upDown(name, description, 'By').addCallback((result) => result.observe(read()))
  bytes('process.memory.usage', 'Physical memory of the process.', () => process.memoryUsage.rss())
  bytes('v8js.memory.heap.used', 'How much of the heap is in use.', () => getHeapStatistics().used_heap_size)
  bytes('v8js.memory.heap.limit', 'What the heap may grow to.', () => getHeapStatistics().heap_size_limit)
}

/** Asked for each time: the SDK keeps one of each name, and the API has none before telemetry is started. */
function meter(): Meter {
  return metrics.getMeter('sample-service')
}

function histogram(name: string, description: string, buckets: number[]) {
  return meter().createHistogram(name, {
    description,
    unit: 's',
    advice: { explicitBucketBoundaries: buckets },
  })
}

function upDown(name: string, description: string, unit: string) {
  return meter().createObservableUpDownCounter(name, { description, unit })
}
