/** The measures, and how much growth per 1,000,000 requests still counts as flat. */
export const measures = [
  { name: 'heap', title: 'heap after a collection', unit: 'MB', flat: 3 },
  { name: 'rss', title: 'resident memory', unit: 'MB', flat: 30 },
  { name: 'descriptors', title: 'file descriptors', unit: '', flat: 1 },
  { name: 'timers', title: 'timers', unit: '', flat: 1 },
  { name: 'handles', title: 'other handles', unit: '', flat: 1 },
  { name: 'contexts', title: 'live contexts', unit: '', flat: 1 },
  { name: 'listeners', title: 'listeners', unit: '', flat: 5 },
] as const

export type Measure = (typeof measures)[number]['name']

/** The counts after a number of requests. */
export type Sample = Readonly<Record<Measure, number>> & { readonly requests: number }

/** The slope per 1,000,000 requests, by least squares over the second half of the samples. */
export function slopeOf(samples: readonly Sample[], measure: Measure): number {
  const half = samples.slice(Math.floor(samples.length / 2))
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, each) => sum + each, 0) / values.length
  const meanX = mean(half.map(({ requests }) => requests))
  const meanY = mean(half.map((sample) => sample[measure]))
  let above = 0
  let below = 0
  for (const sample of half) {
    above += (sample.requests - meanX) * (sample[measure] - meanY)
    below += (sample.requests - meanX) ** 2
  }
  return (above / below) * 1_000_000
}
