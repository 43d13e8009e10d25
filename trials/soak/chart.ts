import { measures, slopeOf, type Sample } from './series.ts'

const width = 860
const row = 62
const top = 56
const plot = { left: 190, right: 640 }

/** Draws one line for each measure, each from 0, as an SVG that follows the reader's light or dark mode. */
export function chartOf(samples: readonly Sample[], title: string): string {
  const last = samples.at(-1)?.requests ?? 1
  const height = top + row * measures.length + 30
  const x = (requests: number): string =>
    (plot.left + ((plot.right - plot.left) * requests) / last).toFixed(1)
  const rows = measures.flatMap(({ name, title, unit }, i) => {
    const base = top + row * (i + 1) - 14
    const most = Math.max(...samples.map((sample) => sample[name]), 1)
    const points = samples
      .map((sample) => `${x(sample.requests)},${(base - ((row - 22) * sample[name]) / most).toFixed(1)}`)
      .join(' ')
    const now = samples.at(-1)?.[name] ?? 0
    const slope = slopeOf(samples, name)
    return [
      `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${base}" y2="${base}"/>`,
      `<text x="12" y="${base - 12}">${title}</text>`,
      `<polyline class="line" points="${points}"/>`,
      `<text class="value" x="${plot.right + 12}" y="${base - 22}">${figure(now)} ${unit}</text>`,
      `<text class="quiet" x="${plot.right + 12}" y="${base - 5}">${signed(slope)} ${unit} per million</text>`,
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${title}</title>`,
    `<style>${styles}</style>`,
    `<text class="title" x="12" y="24">${title}</text>`,
    `<text class="quiet" x="12" y="43">each line from 0; at the right the last value, and the slope of the second half</text>`,
    ...rows,
    `<text class="quiet" x="${plot.left}" y="${height - 12}">0</text>`,
    `<text class="quiet" x="${plot.right}" y="${height - 12}" text-anchor="end">${last.toLocaleString('en')} requests</text>`,
    '</svg>',
    '',
  ].join('\n')
}

export function figure(value: number): string {
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1)
}

export function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`
}

const styles = [
  'text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.value{font-weight:600}',
  '.quiet{fill:#59636e;font-size:12px}.grid{stroke:#d1d9e0}.line{fill:none;stroke:#0a7f4f;stroke-width:2;stroke-linejoin:round}',
  '@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.grid{stroke:#3d444d}.line{stroke:#3ddc97}}',
].join('')
