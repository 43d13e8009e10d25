import type { Measured, Pair, Sample } from './run.ts'
import { median } from '../support/statistics.ts'

/** One line of the table. */
export interface Row {
  readonly title: string
  readonly wanted?: number | undefined
  readonly pair: Pair
}

/** A markdown table: medians (least–greatest), and ratios within a round to the `reference` measured just before. */
export function tableOf(reference: string, rows: readonly Row[]): string {
  const head = [
    '',
    'requests/s',
    `of ${reference}`,
    'wanted',
    'CPU µs/request',
    `of ${reference}`,
    'p50 ms',
    'p99 ms',
    'RSS MB',
  ]
  const references = rows.flatMap(({ pair }) => ('missing' in pair ? [] : [pair.reference]))
  const together = {
    samples: references.flatMap(({ samples }) => samples),
    residentMb: references.at(0)?.residentMb,
  }
  return [
    line(head),
    line(head.map(() => '---')),
    line([`${reference} (all its measurements)`, ...figures(together, [], [], '')]),
    ...rows.map((row) => line(cellsOf(row))),
  ].join('\n')
}

function cellsOf({ title, wanted, pair }: Row): string[] {
  if ('missing' in pair) return [title, `not measured: ${pair.missing}`]
  const { subject, reference } = pair
  const ratios = (of: (sample: Sample) => number): number[] =>
    subject.samples.map((sample, round) => of(sample) / of(reference.samples[round] ?? sample))
  const rates = ratios(({ perSecond }) => perSecond)
  const verdict = wanted === undefined ? '' : `≥ ${wanted}: ${median(rates) >= wanted ? 'met' : 'missed'}`
  return [
    title,
    ...figures(
      subject,
      rates,
      ratios(({ cpuUs }) => cpuUs),
      verdict,
    ),
  ]
}

function figures(
  { samples, residentMb }: Measured,
  rates: readonly number[],
  costs: readonly number[],
  verdict: string,
): string[] {
  const spreadOf = (of: (sample: Sample) => number, digits: number): string => spread(samples.map(of), digits)
  return [
    spreadOf(({ perSecond }) => perSecond, 0),
    spread(rates, 2),
    verdict,
    spreadOf(({ cpuUs }) => cpuUs, 1),
    spread(costs, 2),
    spreadOf(({ p50Ms }) => p50Ms, 2),
    spreadOf(({ p99Ms }) => p99Ms, 1),
    residentMb === undefined ? '' : residentMb.toFixed(0),
  ]
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function spread(numbers: readonly number[], digits: number): string {
  if (numbers.length === 0 || numbers.some(Number.isNaN)) return ''
  const shown = (number: number): string => number.toFixed(digits)
  return `${shown(median(numbers))} (${shown(Math.min(...numbers))}–${shown(Math.max(...numbers))})`
}
