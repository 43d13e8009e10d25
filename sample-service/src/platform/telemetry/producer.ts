import { ValueType, type HrTime } from '@opentelemetry/api'
import { emptyResource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  DataPointType,
  type HistogramMetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import type { Counted, Histogram, Series } from './histogram.ts'

/**
 * Gives the reader with the number `reader` what `histograms` have counted: since it last asked, if it wants deltas, else since
 * the start.
 * @param histograms all that there are when the reader asks
 */
export function producerOf(
  histograms: () => readonly Histogram[],
  reader: number,
  temporality: AggregationTemporality,
): MetricProducer {
  const scope = { name: 'sample-service' }
  return {
    collect() {
      const now = hrTimeOf(Date.now())
      const metrics = histograms().map((histogram): HistogramMetricData => {
        const { name, description, boundaries } = histogram
        const dataPoints = Array.from(histogram.all()).flatMap((series) => {
          const counted = series.read(reader)
          if (counted === undefined) return []
          if (temporality === AggregationTemporality.DELTA) series.reset(reader)
          return [dataPointOf(series, counted, boundaries, now)]
        })
        return {
          descriptor: { name, description, unit: 's', valueType: ValueType.DOUBLE },
          aggregationTemporality: temporality,
          dataPointType: DataPointType.HISTOGRAM,
          dataPoints,
        }
      })
      const recorded = metrics.filter(({ dataPoints }) => dataPoints.length > 0)
      // The reader puts its own resource in the place of this one.
      const resource = emptyResource()
      return Promise.resolve({
        resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: recorded }] },
        errors: [],
      })
    },
  }
}

function dataPointOf(
  { attributes }: Series,
  { since, counts, count, sum, min, max }: Counted,
  boundaries: readonly number[],
  endTime: HrTime,
): HistogramMetricData['dataPoints'][number] {
  // An exporter may read them later, when more has been counted.
  const buckets = { boundaries: [...boundaries], counts: [...counts] }
  return { startTime: hrTimeOf(since), endTime, attributes, value: { buckets, count, sum, min, max } }
}

function hrTimeOf(epochMs: number): HrTime {
  return [Math.floor(epochMs / 1_000), (epochMs % 1_000) * 1e6]
}
