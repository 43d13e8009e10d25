import { capacity } from './catalogue.ts'
import type { Result } from './run.ts'

/** The results of one load as a markdown table. */
export function tableOf(results: readonly Result[]): string {
  return [
    '| | 200 in time, of what can be served | second half | p50 ms | p99 ms | the others | p99 of those, ms | processor ms a request | MB (added in the second half) | recovered after s |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...results.map(rowOf),
  ].join('\n')
}

function rowOf({ subject, load, round, missing }: Result): string {
  const name = `${subject.name}: ${subject.about}`
  if (round === undefined) return `| ${name} | not measured: ${missing ?? ''} | | | | | | | | |`
  const most = capacity * Math.min(1, load.factor)
  const others = Array.from(round.others, ([status, times]) => `${times} × ${status}`).join(', ')
  const cells = [
    name,
    (round.perSecond / most).toFixed(2),
    (round.secondHalf / most).toFixed(2),
    figure(round.p50),
    figure(round.p99),
    others || '0',
    figure(round.refusalP99),
    Number.isNaN(round.processorMs) ? '' : round.processorMs.toFixed(2),
    `${figure(round.memory / 2 ** 20)} (${figure(round.grown / 2 ** 20)})`,
    Number.isNaN(round.recoveryS) ? 'not within 5' : round.recoveryS.toFixed(1),
  ]
  return `| ${cells.join(' | ')} |`
}

function figure(number: number): string {
  return Number.isNaN(number) ? '' : number.toFixed(0)
}
