import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { metrics } from '@opentelemetry/api'
import { errorType, knownMethod, type Outcome } from './outcome.ts'

const scope = 'mainstem-service'

/** TLS ends in front of the service. */
const scheme = { 'url.scheme': 'http' }

/** Seconds, as the HTTP conventions advise. */
export const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** What the HTTP boundary reports of each request. */
export interface HttpMetrics {
  /** A request has been accepted. */
  started(method: string): void
  /** It has ended, `seconds` after it was accepted. */
  finished(method: string, outcome: Outcome, seconds: number): void
}

/**
 * The server's metrics by the stable HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/).
 * To be called after `startTelemetry`: the API hands out instruments that do nothing before.
 */
export function httpMetrics(): HttpMetrics {
  const meter = metrics.getMeter(scope)
  const duration = meter.createHistogram('http.server.request.duration', {
    description: 'Time from the first header of a request to the end of its response and its work.',
    unit: 's',
    advice: { explicitBucketBoundaries: durationBuckets },
  })
  // Counted here and told when asked: an instrument would hash its attributes twice for each request.
  const active = new Map<string, number>()
  const count = (method: string, change: number): void =>
    void active.set(method, (active.get(method) ?? 0) + change)
  meter
    .createObservableUpDownCounter('http.server.active_requests', {
      description: 'Requests under way.',
      unit: '{request}',
    })
    .addCallback((result) => {
      for (const [method, requests] of active)
        result.observe(requests, { 'http.request.method': method, ...scheme })
    })
  return {
    started: (method) => count(knownMethod(method), 1),
    finished(method, outcome, seconds) {
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
 * Shows the database's pool, as `stats` tells it whenever the metrics are read. To be called after `startTelemetry`.
 * @param max how many connections it opens at most
 */
export function observePool(
  max: number,
  stats: () => { total: number; idle: number; waiting: number },
): void {
  const meter = metrics.getMeter(scope)
  const pool = { 'db.client.connection.pool.name': 'postgresql' }
  const connections = meter.createObservableUpDownCounter('db.client.connection.count', {
    description: 'Connections of the pool, by what they do.',
    unit: '{connection}',
  })
  const pending = meter.createObservableUpDownCounter('db.client.connection.pending_requests', {
    description: 'Calls that wait for a connection.',
    unit: '{request}',
  })
  const most = meter.createObservableUpDownCounter('db.client.connection.max', {
    description: 'Connections that the pool opens at most.',
    unit: '{connection}',
  })
  meter.addBatchObservableCallback(
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
 * have been free before their `deadline`, or under `overload`. To be called after `startTelemetry`.
 */
export function observeAdmission(): {
  admitted(waitedMs: number): void
  refused(why: 'deadline' | 'overload'): void
} {
  const meter = metrics.getMeter(scope)
  const waited = meter.createHistogram('db.client.connection.wait_time', {
    description: 'Time that calls waited for a connection of the pool.',
    unit: 's',
    advice: { explicitBucketBoundaries: durationBuckets },
  })
  const refused = meter.createCounter('db.client.connection.refused', {
    description: 'Calls that were refused because no connection would have been free in time.',
    unit: '{request}',
  })
  const pool = { 'db.client.connection.pool.name': 'postgresql' }
  return {
    admitted: (waitedMs) => waited.record(waitedMs / 1_000, pool),
    refused: (why) => refused.add(1, { ...pool, 'db.client.connection.refusal': why }),
  }
}

/** Shows how many lines of the log were dropped. To be called after `startTelemetry`. */
export function observeLog(log: { readonly dropped: number }): void {
  metrics
    .getMeter(scope)
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
  // Asked for each time: the SDK has one of each name, the API has none before telemetry is started.
  metrics
    .getMeter(scope)
    .createCounter('db.client.cancels', { description: 'Cancels sent to Postgres.', unit: '{cancel}' })
    .add(1, { 'db.client.cancel.outcome': outcome })
}

/**
 * Shows how late the event loop runs its timers: what a request waits while other code does not yield. Each reading
 * covers the time since the one before.
 * @returns what ends the measuring
 */
export function observeEventLoop(): () => void {
  const meter = metrics.getMeter(scope)
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const quantiles = [50, 99, 100].map((percent) => ({
    percent,
    gauge: meter.createObservableGauge(`nodejs.eventloop.delay.${percent === 100 ? 'max' : `p${percent}`}`, {
      description: 'How late timers fired since the last reading.',
      unit: 's',
    }),
  }))
  meter.addBatchObservableCallback(
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
  const meter = metrics.getMeter(scope)
  const gauge = (name: string, description: string, read: () => number): void =>
    meter
      .createObservableUpDownCounter(name, { description, unit: 'By' })
      .addCallback((result) => result.observe(read()))
  gauge('process.memory.usage', 'Physical memory of the process.', () => process.memoryUsage.rss())
  gauge('v8js.memory.heap.used', 'What is in use of the heap.', () => getHeapStatistics().used_heap_size)
  gauge('v8js.memory.heap.limit', 'What the heap may grow to.', () => getHeapStatistics().heap_size_limit)
}
