import type { Entry } from './catalogue.ts'
import type { Sample } from './measure.ts'
import type { CaseResult, Outcome } from './run.ts'
import { median } from '../support/statistics.ts'

/** The results as a markdown table: medians (least–greatest), and ratios of processor time taken round by round. */
export function tableOf(results: readonly CaseResult[]): string {
  return [
    '| | processor time | against ours | by the clock | wanted | retained B | live B |',
    '|---|---|---|---|---|---|---|',
    ...results.flatMap(rowsOf),
  ].join('\n')
}

function rowsOf({ about, outcomes }: CaseResult): string[] {
  const ours = timesOf(outcomes[0])
  const rows = about.entries.map((entry, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined || 'missing' in outcome) {
      return `| ${entry.name} | not measured: ${outcome?.missing ?? 'no outcome'} | | | | | |`
    }
    const times = timesOf(outcome)
    const ratios = index === 0 ? [] : times.map((time, round) => time / (ours[round] ?? NaN))
    const clock = outcome.samples.map((sample) => sample.clock)
    const bytes = (of: (sample: Sample) => number | undefined): string =>
      spread(outcome.samples.map(of).filter((each) => each !== undefined))
    const cells = [
      entry.name,
      spread(times),
      spread(ratios),
      spread(clock),
      verdict(entry, clock, ratios),
      bytes(({ retained }) => retained),
      bytes(({ live }) => live),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [`| **${about.title}**, ${about.unit} | | | | | | |`, ...rows]
}

function timesOf(outcome: Outcome | undefined): number[] {
  return outcome !== undefined && 'samples' in outcome ? outcome.samples.map(({ time }) => time) : []
}

/** The median by the clock decides. On a shared machine the best round shows the speed of the code alone. */
function verdict({ wanted }: Entry, times: readonly number[], ratios: readonly number[]): string {
  if (wanted === undefined || times.length === 0) return ''
  if ('atMost' in wanted) {
    const { atMost } = wanted
    return `≤ ${atMost}: ${says(median(times) <= atMost, Math.min(...times) <= atMost)}`
  }
  const { timesOurs } = wanted
  if (ratios.length === 0) return ''
  return `≥ ${timesOurs} ×: ${says(median(ratios) >= timesOurs, Math.max(...ratios) >= timesOurs)}`
}

function says(usually: boolean, once: boolean): string {
  if (usually) return 'met'
  return once ? 'missed, met in the best round' : 'missed'
}

function spread(numbers: readonly number[]): string {
  if (numbers.length === 0) return ''
  const middle = shown(median(numbers))
  return numbers.length === 1
    ? middle
    : `${middle} (${shown(Math.min(...numbers))}–${shown(Math.max(...numbers))})`
}

/** Three digits: a shared machine does not measure more exactly. */
function shown(number: number): string {
  const digits = Math.abs(number) >= 100 ? 0 : 1
  // Not '-0'.
  return (Number(number.toFixed(digits)) + 0).toLocaleString('en', { maximumFractionDigits: digits })
}
