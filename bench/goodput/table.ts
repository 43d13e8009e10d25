import type { Result, Round } from './run.ts'
import { median } from '../support/statistics.ts'

/** The results of one load as a markdown table: medians (least–greatest) where there are several rounds. */
export function tableOf(results: readonly Result[]): string {
  return [
    '| | answers/s | second half/s | against the first | p50 ms | p99 ms | bad answers | still waiting | queue at end | MB |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...results.map((result) => rowOf(result, results[0])),
  ].join('\n')
}

function rowOf({ subject, rounds, missing }: Result, first: Result | undefined): string {
  const name = `${subject.name}: ${subject.about}`
  if (missing !== undefined) return `| ${name} | not measured: ${missing} | | | | | | | | |`
  const column = (of: (round: Round) => number, digits = 0): string => spread(rounds.map(of), digits)
  const cells = [
    name,
    column(({ perSecond }) => perSecond, 1),
    column(({ secondHalf }) => secondHalf, 1),
    `${(medianOf(rounds) / medianOf(first?.rounds ?? [])).toFixed(1)} ×`,
    column(({ p50 }) => p50),
    column(({ p99 }) => p99),
    rounds
      .map(({ bad }) => Array.from(bad, ([what, times]) => `${times} × ${what}`).join(', ') || '0')
      .join('; '),
    column(({ waiting }) => waiting),
    column(({ queue }) => queue),
    column(({ memory }) => (memory ?? NaN) / 2 ** 20),
  ]
  return `| ${cells.join(' | ')} |`
}

function medianOf(rounds: readonly Round[]): number {
  return median(rounds.map(({ perSecond }) => perSecond))
}

function spread(numbers: readonly number[], digits: number): string {
  const known = numbers.filter((number) => !Number.isNaN(number))
  if (known.length === 0) return ''
  const middle = median(known).toFixed(digits)
  if (known.length === 1) return middle
  return `${middle} (${Math.min(...known).toFixed(digits)}–${Math.max(...known).toFixed(digits)})`
}
