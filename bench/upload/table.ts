import type { Result } from './main.ts'
import type { Options } from './options.ts'
import type { Watched } from './process-figures.ts'
import { median } from '../support/statistics.ts'

const mebibyte = 1_048_576

/** A markdown table: medians (least–greatest), and ratios of pairs that were measured right after each other. */
export function tableOf(results: readonly Result[], { bytes, longBytes }: Options): string {
  return [
    `| one file of ${bytes / mebibyte} MiB | MB/s | of its floor, in pairs | wanted | while ${longBytes / mebibyte} MiB arrive: processor ms per 100 MB | RSS before → at most |`,
    '|---|---|---|---|---|---|',
    ...results.map(({ subject, times, floors, long }) => {
      const speeds = times.map((ms) => bytes / 1_000 / ms)
      const ratios = floors.map((ms, round) => ms / (times[round] ?? NaN))
      const cells = [
        subject.name,
        spread(speeds, 0),
        ratios.length === 0 ? '' : `${spread(ratios, 2)} of ${subject.floor}`,
        subject.wanted === undefined ? '' : verdict(subject.wanted, ratios),
        ...longCells(long, longBytes),
      ]
      return `| ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

function longCells(long: Watched | undefined, bytes: number): string[] {
  if (long === undefined) return ['not measured here', 'not measured here']
  const { before, after, peak } = long
  const ms = (after.processorMs - before.processorMs) / (bytes / 1e8)
  return [ms.toFixed(0), `${(before.resident / mebibyte).toFixed(0)} → ${(peak / mebibyte).toFixed(0)} MiB`]
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
