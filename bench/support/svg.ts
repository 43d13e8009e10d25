/** Colours in light and in dark mode, each with a contrast of at least 3 : 1 to its background. */
const colours: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  mainstem: ['#0a7f4f', '#3ddc97'],
  plain: ['#c2410c', '#fb923c'],
  timeout: ['#b91c8c', '#f472b6'],
  'go-pq': ['#4b5fc4', '#93a4ff'],
  fastify: ['#a16207', '#facc15'],
  go: ['#0b7a99', '#4cc9f0'],
  'go-pgx': ['#0b7a99', '#4cc9f0'],
}

/** The styles of a chart, with a class and a colour for each of `names`. They follow light and dark mode. */
export function stylesOf(names: readonly string[]): string {
  const paint = (mode: 0 | 1): string =>
    names.map((name) => `.${name}{--c:${colours[name]?.[mode] ?? 'gray'}}`).join('')
  return [
    'text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.value{font-weight:600}',
    '.quiet{fill:#59636e;font-size:12px}.grid{stroke:#d1d9e0}.line{fill:none;stroke:var(--c);stroke-width:2.5;stroke-linejoin:round}rect{fill:var(--c)}',
    paint(0),
    `@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.grid{stroke:#3d444d}${paint(1)}}`,
  ].join('')
}

export function escapeSvg(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
