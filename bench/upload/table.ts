import type { Result } from './main.ts'
import type { Options } from './options.ts'

const mebibyte = 1_048_576

/** A markdown table: medians (least–greatest), and ratios taken round by round. */
export function tableOf(results: readonly Result[], { bytes, longBytes }: Options): string {
  const floor = results[0]?.times ?? []
  return [
    `| one file of ${bytes / mebibyte} MiB | MB/s | against raw | wanted | RSS before and at most while ${longBytes / mebibyte} MiB arrive |`,
    '|---|---|---|---|---|',
    ...results.map(({ subject, times, memory }) => {
      const speeds = times.map((ms) => bytes / 1_000 / ms)
      const ratios = times.map((ms, round) => (floor[round] ?? NaN) / ms)
      const cells = [
        subject.name,
        spread(speeds, 0),
        spread(ratios, 2),
        subject.wanted === undefined ? '' : verdict(subject.wanted, ratios),
        memory === undefined
          ? 'not seen here'
          : `${(memory.start / mebibyte).toFixed(0)} → ${(memory.peak / mebibyte).toFixed(0)} MiB`,
      ]
      return `| ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

function verdict(wanted: number, ratios: readonly number[]): string {
  const usually = median(ratios) >= wanted
  const once = Math.max(...ratios) >= wanted
  return `≥ ${wanted}: ${usually ? 'met' : once ? 'missed, met in the best round' : 'missed'}`
}

function spread(numbers: readonly number[], digits: number): string {
  const shown = (number: number): string => number.toFixed(digits)
  return `${shown(median(numbers))} (${shown(Math.min(...numbers))}–${shown(Math.max(...numbers))})`
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN
  return (lower + upper) / 2
}
