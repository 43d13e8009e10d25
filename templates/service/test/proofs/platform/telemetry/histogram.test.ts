import { metrics } from '@opentelemetry/api'
import {
  AggregationTemporality,
  MeterProvider,
  MetricReader,
  type HistogramMetricData,
} from '@opentelemetry/sdk-metrics'
import fc from 'fast-check'
import { expect, test, type TestContext } from 'vitest'
import { keepHistograms, keyedHistogram } from '../../../../src/platform/telemetry/histogram.ts'
import { producerOf } from '../../../../src/platform/telemetry/producer.ts'

/** Reads the metrics of its producer. */
class Reader extends MetricReader {
  protected override onForceFlush = () => Promise.resolve()
  protected override onShutdown = () => Promise.resolve()
}

const boundaries = [0.125, 0.5, 1]

/** Makes a provider with a reader for each temporality, for the SDK's histograms and for ours. @returns what each reads */
function start(t: TestContext, temporalities: readonly AggregationTemporality[]) {
  let histograms: ReturnType<typeof keepHistograms> = []
  const readers = temporalities.map(
    (temporality, index) =>
      new Reader({
        aggregationTemporalitySelector: () => temporality,
        metricProducers: [producerOf(() => histograms, index, temporality)],
      }),
  )
  const provider = new MeterProvider({ readers })
  histograms = keepHistograms(provider, readers.length)
  metrics.setGlobalMeterProvider(provider)
  t.onTestFinished(() => metrics.disable())
  return readers.map((reader) => async () => {
    const { resourceMetrics } = await reader.collect()
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics) as HistogramMetricData[]
    return all.map(({ descriptor, aggregationTemporality, dataPointType, dataPoints }) => ({
      descriptor,
      aggregationTemporality,
      dataPointType,
      points: dataPoints.map(({ attributes, value }) => ({ attributes, value })),
    }))
  })
}

const { CUMULATIVE, DELTA } = AggregationTemporality

test('it counts like a histogram of the SDK, for readers of totals and of deltas', async (t) => {
  const [totals, deltas] = start(t, [CUMULATIVE, DELTA])
  const ours = keyedHistogram('time', 'How long.', boundaries)
  const theirs = metrics.getMeter('of the SDK').createHistogram('time', {
    description: 'How long.',
    unit: 's',
    advice: { explicitBucketBoundaries: boundaries },
  })
  // Their sums are exact.
  const eighths = fc.nat(16).map((n) => n / 8)
  const recorded = fc.array(fc.record({ of: fc.constantFrom('a', 'b', 'c'), value: eighths }))
  for (const batch of fc.sample(recorded, 20)) {
    for (const { of, value } of [...batch, { of: 'a', value: 1 }]) {
      const series = ours.find(of) ?? ours.add(of, { of })
      series.record(value)
      theirs.record(value, { of })
    }
    for (const read of [totals, deltas]) {
      const [fromSdk, own] = (await read?.()) ?? []
      expect(sorted(own?.points)).toEqual(sorted(fromSdk?.points))
      expect({ ...fromSdk, points: [] }).toMatchObject({ ...own, points: [] })
    }
  }
})

type Points = readonly Pick<HistogramMetricData['dataPoints'][number], 'attributes' | 'value'>[]

function sorted(points: Points = []) {
  return points
    .map(({ attributes, value: { buckets, count, sum, min, max } }) => ({
      of: String(attributes['of']),
      ...{ buckets, count, sum, min, max },
    }))
    .toSorted((a, b) => (a.of < b.of ? -1 : 1))
}

test("readers do not affect each other's counts", async (t) => {
  const [first, second] = start(t, [DELTA, DELTA])
  const histogram = keyedHistogram('time', 'How long.', boundaries)
  histogram.add('', {}).record(0.5)
  expect(await first?.()).toHaveLength(1)
  expect(await first?.()).toHaveLength(0)
  expect(await second?.()).toHaveLength(1)
})

test('all series beyond 2,000 share one more', async (t) => {
  const [read] = start(t, [CUMULATIVE])
  const histogram = keyedHistogram('time', 'How long.', boundaries)
  for (let n = 0; n < 2_100; n++) (histogram.find(`${n}`) ?? histogram.add(`${n}`, { n })).record(0.5)
  const [found] = (await read?.()) ?? []
  const beyond = found?.points.filter(({ attributes }) => attributes['otel.metric.overflow'] === true)
  expect(beyond?.map(({ value }) => value.count)).toEqual([100])
  expect(found?.points).toHaveLength(2_001)
})
