import { escapeSvg, stylesOf } from '../support/svg.ts'
import { capacity, subjects } from './catalogue.ts'
import type { Result } from './run.ts'

const width = 860
const height = 330
/** Where the lines are drawn: pixels from the left, the top, to the right, the bottom. */
const plot = { left: 46, top: 58, right: 470, bottom: 282 }
const bars = { left: 520, top: 58, right: 800, row: 45 }

/** The load in the chart: the one that the README describes. */
const drawn = { factor: 3, deadlineMs: 3_000, client: 'patient' } as const

/** Draws the answers within the deadline, second by second, and next to it the second half of the load, as an SVG. */
export function chartOf(results: readonly Result[], seconds: number): string {
  const shown = results.flatMap(({ subject, load, round }) => {
    const { factor, deadlineMs, client } = drawn
    const wanted = load.factor === factor && load.deadlineMs === deadlineMs && load.client === client
    return wanted && round !== undefined ? [{ subject, round }] : []
  })
  const shares = shown.map(({ subject, round }) => ({ subject, share: round.secondHalf / capacity }))
  const last = Math.max(...shown.map(({ round }) => round.timeline.length))
  const x = (second: number): number => plot.left + ((plot.right - plot.left) * second) / last
  const y = (answers: number): number => plot.bottom - ((plot.bottom - plot.top) * answers) / (capacity * 1.1)
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${y(capacity * share)}" y2="${y(capacity * share)}"/>`,
    `<text class="quiet" x="${plot.left - 8}" y="${y(capacity * share) + 4}" text-anchor="end">${capacity * share}</text>`,
  ])
  const lines = shown.map(({ subject, round }) => {
    const points = round.timeline.map(
      (answers, second) => `${x(second + 0.5).toFixed(1)},${y(Math.min(answers, capacity * 1.1)).toFixed(1)}`,
    )
    return `<polyline class="line ${subject.name}" points="${points.join(' ')}"/>`
  })
  const rows = shares
    .toSorted((a, b) => b.share - a.share)
    .flatMap(({ subject, share }, i) => {
      const top = bars.top + bars.row * i
      const length = Math.max(2, (bars.right - bars.left) * Math.min(share, 1))
      return [
        `<text x="${bars.left}" y="${top + 10}">${escapeSvg(subject.about)}</text>`,
        `<rect class="${subject.name}" x="${bars.left}" y="${top + 17}" width="${length.toFixed(1)}" height="12" rx="2"/>`,
        `<text class="value" x="${(bars.left + length + 8).toFixed(1)}" y="${top + 28}">${(share * capacity).toFixed(1)}</text>`,
      ]
    })
  const title = shares.map(({ subject, share }) => `${subject.about} ${(share * capacity).toFixed(1)}`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">Requests answered within 3 s, each second, at three times the load that can be served: ${escapeSvg(title.join(', '))}, of ${capacity}</title>`,
    `<style>${stylesOf(subjects.map(({ name }) => name))}</style>`,
    `<text class="title" x="12" y="24">Requests answered within 3 s, each second, at three times the load that can be served</text>`,
    `<text class="quiet" x="12" y="43">one query of 0.2 s per request, a pool of 10: ${capacity} is all there is; after ${seconds} s the load falls to half of that</text>`,
    ...grid,
    `<line class="grid" x1="${x(seconds)}" x2="${x(seconds)}" y1="${plot.top}" y2="${plot.bottom}"/>`,
    `<text class="quiet" x="${plot.left}" y="${plot.bottom + 20}">0 s</text>`,
    `<text class="quiet" x="${x(seconds)}" y="${plot.bottom + 20}" text-anchor="middle">${seconds} s</text>`,
    ...lines,
    ...rows,
    `<text class="quiet" x="${bars.left}" y="${plot.bottom + 20}">second half of the load</text>`,
    '</svg>',
    '',
  ].join('\n')
}
