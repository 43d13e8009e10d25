import { capacity, subjects } from './catalogue.ts'
import { escapeSvg, stylesOf } from '../support/svg.ts'
import type { Result } from './run.ts'
import { median } from '../support/statistics.ts'

const width = 860
const height = 330
/** Where the lines are drawn: pixels from the left, the top, to the right, the bottom. */
const plot = { left: 46, top: 58, right: 470, bottom: 282 }
const bars = { left: 520, top: 58, right: 800, row: 45 }

/**
 * Draws the answers to patient clients under heavy load, second by second, and next to it the second halves of all loads, as an
 * SVG that follows the reader's light or dark mode.
 */
export function chartOf(results: readonly Result[], seconds: number): string {
  const heavy = results.filter(({ load, rounds }) => load.name === 'heavy' && rounds.length > 0)
  const x = (second: number): number => plot.left + ((plot.right - plot.left) * second) / seconds
  const y = (answers: number): number => plot.bottom - ((plot.bottom - plot.top) * answers) / capacity
  const grid = [0, 5, 10, 15, capacity].flatMap((answers) => [
    `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${y(answers)}" y2="${y(answers)}"/>`,
    `<text class="quiet" x="${plot.left - 8}" y="${y(answers) + 4}" text-anchor="end">${answers}</text>`,
  ])
  const lines = heavy.map(({ subject, rounds }) => {
    const points = smoothed(rounds.map(({ timeline }) => timeline))
      .map((answers, second) => `${x(second + 0.5).toFixed(1)},${y(Math.min(answers, capacity)).toFixed(1)}`)
      .join(' ')
    return `<polyline class="line ${subject.name}" points="${points}"/>`
  })
  const rows = heavy
    .map(({ subject, rounds }) => ({ subject, answers: median(rounds.map(({ secondHalf }) => secondHalf)) }))
    .sort((a, b) => b.answers - a.answers)
    .flatMap(({ subject, answers }, i) => {
      const top = bars.top + bars.row * i
      const length = Math.max(2, ((bars.right - bars.left) * Math.min(answers, capacity)) / capacity)
      return [
        `<text x="${bars.left}" y="${top + 10}">${escapeSvg(subject.about)}</text>`,
        `<rect class="${subject.name}" x="${bars.left}" y="${top + 17}" width="${length.toFixed(1)}" height="12" rx="2"/>`,
        `<text class="value" x="${(bars.left + length + 8).toFixed(1)}" y="${top + 28}">${answers.toFixed(1)}</text>`,
      ]
    })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">Completed answers per second while 90 of 100 clients hang up: ${heavy.map(({ subject, rounds }) => `${escapeSvg(subject.about)} ${median(rounds.map(({ secondHalf }) => secondHalf)).toFixed(1)}`).join(', ')}, of ${capacity}</title>`,
    `<style>${stylesOf(subjects.map(({ name }) => name))}</style>`,
    `<text class="title" x="12" y="24">Answers per second to the clients that wait, while 90 of 100 hang up after 50 ms and come back</text>`,
    `<text class="quiet" x="12" y="43">one query of 0.5 s per request, a pool of 10: ${capacity} is all there is</text>`,
    ...grid,
    `<text class="quiet" x="${plot.left}" y="${plot.bottom + 20}">0 s</text>`,
    `<text class="quiet" x="${plot.right}" y="${plot.bottom + 20}" text-anchor="end">${seconds} s</text>`,
    ...lines,
    ...rows,
    `<text class="quiet" x="${bars.left}" y="${plot.bottom + 20}">second half, steady</text>`,
    '</svg>',
    '',
  ].join('\n')
}

/** Mean of the rounds, over three seconds: one second holds too few answers to draw. */
function smoothed(timelines: readonly (readonly number[])[]): number[] {
  const length = Math.max(...timelines.map((each) => each.length))
  const mean = (from: number, to: number): number => {
    const values = timelines.flatMap((each) => each.slice(Math.max(0, from), to))
    return values.reduce((sum, each) => sum + each, 0) / values.length
  }
  return Array.from({ length }, (_, second) => mean(second - 1, second + 2))
}
