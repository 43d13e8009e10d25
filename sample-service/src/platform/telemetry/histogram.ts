import { metrics, type Attributes, type MeterProvider } from '@opentelemetry/api'

/** The limit of OpenTelemetry's SDK. All further attributes share one series. */
const maxSeries = 2_000
const overflow = 'otel.metric.overflow'

/** What one reader of the metrics has not yet taken of a series. */
export interface Counted {
  /** When it began, in epoch milliseconds. */
  readonly since: number
  /** The values in each bucket; the last one has those above all boundaries. */
  readonly counts: number[]
  count: number
  sum: number
  min: number
  max: number
}

/** The values of a histogram that have the same attributes. */
export class Series {
  readonly attributes: Attributes
  readonly #boundaries: readonly number[]
  readonly #readers: Counted[]

  constructor(attributes: Attributes, boundaries: readonly number[], readers: number) {
    this.attributes = attributes
    this.#boundaries = boundaries
    this.#readers = Array.from({ length: readers }, () => nothing(boundaries))
  }

  record(value: number): void {
    let bucket = 0
    while (value > (this.#boundaries[bucket] ?? Infinity)) bucket++
    for (const counted of this.#readers) {
      counted.counts[bucket] = (counted.counts[bucket] ?? 0) + 1
      counted.count++
      counted.sum += value
      if (value < counted.min) counted.min = value
      if (value > counted.max) counted.max = value
    }
  }

  /** What was counted for `reader`; undefined if nothing was. */
  read(reader: number): Counted | undefined {
    const counted = this.#readers[reader]
    return counted === undefined || counted.count === 0 ? undefined : counted
  }

  /** Counts for `reader` from 0 again. */
  reset(reader: number): void {
    this.#readers[reader] = nothing(this.#boundaries)
  }
}

function nothing(boundaries: readonly number[]): Counted {
  const counts = [...boundaries, Infinity].map(() => 0)
  return { since: Date.now(), counts, count: 0, sum: 0, min: Infinity, max: -Infinity }
}

/**
 * A histogram that finds a series by a key, for values that every request records. The SDK's own histogram sorts and prints
 * the attributes of each value to find its series, which costs ten times as much as counting the value.
 *
 *     const series = duration.find(operation) ?? duration.add(operation, { 'db.operation.name': operation })
 *     series.record(seconds)
 */
export class Histogram {
  readonly name: string
  readonly description: string
  readonly boundaries: readonly number[]
  readonly #readers: number
  readonly #series = new Map<string, Series>()

  constructor(name: string, description: string, boundaries: readonly number[], readers: number) {
    this.name = name
    this.description = description
    this.boundaries = boundaries
    this.#readers = readers
  }

  find(key: string): Series | undefined {
    return this.#series.get(key)
  }

  /** Adds the series that `key` finds from now on. Two sets of attributes must have different keys. */
  add(key: string, attributes: Attributes): Series {
    if (this.#series.size >= maxSeries && key !== overflow)
      return this.find(overflow) ?? this.add(overflow, { [overflow]: true })
    const series = new Series(attributes, this.boundaries, this.#readers)
    this.#series.set(key, series)
    return series
  }

  all(): Iterable<Series> {
    return this.#series.values()
  }
}

/** The histograms of a provider, and how many readers they are counted for. */
interface Kept {
  readonly readers: number
  readonly histograms: Histogram[]
}

const keptFor = new WeakMap<MeterProvider, Kept>()

/** Keeps each histogram that is made while `provider` is the global one, for so many readers. @returns the list, which grows */
export function keepHistograms(provider: MeterProvider, readers: number): readonly Histogram[] {
  const histograms: Histogram[] = []
  keptFor.set(provider, { readers, histograms })
  return histograms
}

/** Whether somebody may read the histograms that are made now. */
export function isCounted(): boolean {
  return keptFor.has(metrics.getMeterProvider())
}

/** Makes a histogram of seconds. Call it after `startTelemetry`: nobody reads one that is made before. */
export function keyedHistogram(name: string, description: string, boundaries: readonly number[]): Histogram {
  const kept = keptFor.get(metrics.getMeterProvider())
  const known = kept?.histograms.find((histogram) => histogram.name === name)
  if (known !== undefined) return known
  const made = new Histogram(name, description, boundaries, kept?.readers ?? 0)
  kept?.histograms.push(made)
  return made
}
