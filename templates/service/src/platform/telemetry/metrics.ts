import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import {
  metrics,
  type Attributes,
  type Meter,
  type MeterProvider,
  type MetricOptions,
} from '@opentelemetry/api'
import type { Context } from '../../context/context.ts'
import { causeName } from '../causes.ts'
import { keyedHistogram } from './histogram.ts'
import { errorType, knownMethod, type Outcome } from './outcome.ts'

// Call these functions after `startTelemetry`: before that, the API hands out instruments that do nothing.

/** TLS ends in front of the service. */
const scheme = { 'url.scheme': 'http' }
/** Seconds, as the HTTP conventions advise. */
export const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** Seconds: a statement is cancelled in milliseconds; work that is not cancelled takes as long as it takes. */
const unwindBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The server's metrics by the stable HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/). */
export function httpMetrics() {
  const duration = keyedHistogram(
    'http.server.request.duration',
    'Time from the first header of a request to the end of its response and its work.',
    durationBuckets,
  )
  // Counted here, and observed when the metrics are read: an instrument would hash its attributes twice for each request.
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
      const key = `${known} ${outcome.status} ${outcome.route} ${type}`
      const series = duration.find(key) ?? duration.add(key, attributesOf(known, outcome, type))
      series.record(seconds)
    },
  }
}

function attributesOf(method: string, { status, route }: Outcome, errorType: string | undefined): Attributes {
  return {
    'http.request.method': method,
    ...scheme,
    ...(status > 0 && { 'http.response.status_code': status }),
    ...(route !== undefined && { 'http.route': route }),
    ...(errorType !== undefined && { 'error.type': errorType }),
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

const unwinding = oncePerProvider(() =>
  keyedHistogram(
    'context.unwind.duration',
    'Time from the end of a context until the work under it had stopped.',
    unwindBuckets,
  ),
)

/**
 * Reports work that has stopped because its context had ended: how often and why, by layer, and how long it kept running.
 * For `http` that is until nothing of the request is left, for `database` until Postgres has ended the statement, for
 * `storage` until nothing of the content is left. Work that is not cancelled does not come by here.
 * @param endedAt when the context ended, in milliseconds of performance.now()
 */
export function unwound(ctx: Context, layer: 'http' | 'database' | 'storage', endedAt: number): void {
  const cause = causeName(ctx) ?? 'none'
  const key = `${layer} ${cause}`
  const series =
    unwinding().find(key) ?? unwinding().add(key, { 'context.layer': layer, 'context.cause': cause })
  series.record((performance.now() - endedAt) / 1_000)
}

/**
 * Shows how late the event loop runs its timers: how long a request waits while other code does not yield. Each reading
 * covers the time since the one before.
 * @returns a function that ends the measuring
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

/** Shows how much memory the process holds, and how large V8's heap is against the size at which V8 gives up. */
export function observeMemory(): void {
  const bytes = (name: string, description: string, read: () => number): void =>
    upDown(name, description, 'By').addCallback((result) => result.observe(read()))
  bytes('process.memory.usage', 'Physical memory of the process.', () => process.memoryUsage.rss())
  // The conventions have no name for it.
  bytes('process.heap.limit', 'What the heap may grow to.', () => getHeapStatistics().heap_size_limit)
  upDown('v8js.memory.heap.used', 'How much of a space of the heap is in use.', 'By').addCallback(
    (result) => {
      for (const { space_name, space_used_size } of getHeapSpaceStatistics())
        result.observe(space_used_size, { 'v8js.heap.space.name': space_name })
    },
  )
}

/** Asked for each time: the SDK keeps one of each name, and the API has none before telemetry is started. */
export function meter(): Meter {
  return metrics.getMeter('mainstem-service')
}

/** An instrument that is made at its first use: asking the SDK for one costs as much as ten recordings. */
export function oncePerProvider<T>(make: () => T): () => T {
  let made: { readonly provider: MeterProvider; readonly instrument: T } | undefined
  return () => {
    const provider = metrics.getMeterProvider()
    if (made?.provider !== provider) made = { provider, instrument: make() }
    return made.instrument
  }
}

export function histogram(name: string, description: string, buckets: number[]) {
  return meter().createHistogram(name, {
    description,
    unit: 's',
    advice: { explicitBucketBoundaries: buckets },
  })
}

export function upDown(name: string, description: string, unit: string) {
  return meter().createObservableUpDownCounter(name, { description, unit })
}
