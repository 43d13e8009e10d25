import type { Pair, Sample } from '../http/run.ts'
import { median } from '../support/statistics.ts'
import { reference, type Subject } from './catalogue.ts'

export interface Row {
  readonly subject: Subject
  readonly pair: Pair
}

/** A markdown table of medians. A ratio is the median of the rounds', each with the bare Hono measured just before. */
export function tableOf(path: string, rows: readonly Row[]): string {
  const bare = rows.flatMap(({ pair }) => ('missing' in pair ? [] : pair.reference.samples))
  const of = (samples: readonly Sample[], figure: (sample: Sample) => number): number =>
    median(samples.map(figure))
  return [
    line([
      '',
      'CPU µs',
      `${reference.title} ÷ it`,
      'wanted',
      'requests/s',
      `÷ ${reference.title}`,
      'p99 ms',
      'RSS MB',
    ]),
    line(Array<string>(8).fill('---')),
    line([
      reference.title,
      of(bare, ({ cpuUs }) => cpuUs).toFixed(1),
      '1.00',
      '',
      of(bare, ({ perSecond }) => perSecond).toFixed(0),
      '1.00',
      of(bare, ({ p99Ms }) => p99Ms).toFixed(1),
      '',
    ]),
    ...rows.map(({ subject: { title, wanted }, pair }) => {
      if ('missing' in pair) return line([title, `not measured: ${pair.missing}`])
      const { subject, reference } = pair
      const ratio = (figure: (one: Sample, bare: Sample) => number): number =>
        median(subject.samples.map((one, round) => figure(one, reference.samples[round] ?? one)))
      const cost = ratio((one, bare) => bare.cpuUs / one.cpuUs)
      const goal = wanted?.[path]
      return line([
        title,
        of(subject.samples, ({ cpuUs }) => cpuUs).toFixed(1),
        cost.toFixed(2),
        goal === undefined ? '' : `≥ ${goal}: ${cost >= goal ? 'met' : 'missed'}`,
        of(subject.samples, ({ perSecond }) => perSecond).toFixed(0),
        ratio((one, bare) => one.perSecond / bare.perSecond).toFixed(2),
        of(subject.samples, ({ p99Ms }) => p99Ms).toFixed(1),
        subject.residentMb?.toFixed(0) ?? '',
      ])
    }),
  ].join('\n')
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
