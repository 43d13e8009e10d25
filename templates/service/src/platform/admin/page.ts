import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { LiveContext } from '../../context/context.ts'
import type { RequestView } from '../telemetry/recent.ts'
import { shows, type Filter } from '../telemetry/filter.ts'
import { escape } from './html.ts'
import { style } from './style.ts'
import { contextsTree } from './tree.ts'
import { waterfall } from './waterfall.ts'

/** What `/debug/contexts` shows. */
export interface Shown {
  /** How many contexts there are, the root included. */
  readonly live: number
  /** How many of them `root` leaves out; absent where it has all. */
  readonly leftOut?: number
  /** Whether there are more than `live` and `leftOut` say. */
  readonly uncounted?: boolean
  readonly root: LiveContext
  /** Some of the requests that fit the filter and have not ended, the oldest first. */
  readonly underWay: readonly RequestView[]
  /** How many of those `underWay` leaves out; absent where it has all. */
  readonly underWayLeftOut?: number
  /** The requests that fit the filter and have ended, the newest first, or the slowest. */
  readonly ended: readonly RequestView[]
}

const script = readFileSync(new URL('../../browser/contexts.js', import.meta.url), 'utf8')

/** The Content-Security-Policy of `contextsPage`: allows its own style and script only. */
export const contextsPagePolicy = [
  "default-src 'none'",
  `style-src '${digest(style)}'`,
  `script-src '${digest(script)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const keptHere =
  'The list keeps the last requests, the last that failed or whose client left, and the slowest of the last two minutes. It leaves out probes and documentation.'
const nothing = {
  underWay: 'None. A request is listed here from its first header to the last byte of its answer.',
  ended: 'None yet. A request that has ended is listed here with its status, its time, and what ended it.',
  filtered: 'No request fits the filter above.',
}

/** Renders the requests and the tree of contexts as a page that needs no other file and refreshes itself. */
export function contextsPage(shown: Shown, filter: Filter): string {
  const { live, leftOut, uncounted, root, underWay, underWayLeftOut = 0, ended } = shown
  const now = Date.now()
  const count = `${uncounted === true ? 'at least ' : ''}${live} not yet ended`
  const missing = leftOut === undefined ? '' : `; ${leftOut} of them are left out here`
  const filtered = filter.text !== '' || filter.show !== 'all' || filter.slowerMs > 0
  const list = (requests: readonly RequestView[], none: string): string =>
    requests.length === 0 ? `<p>${filtered ? nothing.filtered : none}</p>` : waterfall(requests, now, filter)
  const more = underWayLeftOut > 0 ? `<p>and ${underWayLeftOut} more, which started later</p>` : ''
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Live contexts</title>
<style>${style}</style>
<header><h1>Live contexts</h1>${controls(filter)}<p role="status"></p></header>
<main>
<section id="under-way"><h2>Requests under way: ${underWay.length + underWayLeftOut}</h2>${list(underWay, nothing.underWay)}${more}</section>
<section id="ended"><h2>Ended requests: ${ended.length}</h2><p>${keptHere}</p>${list(ended, nothing.ended)}</section>
<section id="tree"><h2>Contexts</h2><p>${count}${missing}</p>${contextsTree(root, now)}</section>
</main>
<script>${script}</script>
</html>
`
}

function controls({ text, show, slowerMs, slowestFirst }: Filter): string {
  const option = (value: string, label: string, selected: boolean): string =>
    `<option value="${value}"${selected ? ' selected' : ''}>${label}</option>`
  const options = Object.entries(shows).map(([value, label]) =>
    option(value === 'all' ? '' : value, label, value === show),
  )
  return `<form role="search">
<input type="search" name="q" value="${escape(text)}" aria-label="Search" placeholder="path, id, trace, cause">
<select name="show" aria-label="Show">${options.join('')}</select>
<label>slower than <input type="number" name="slower" min="0" value="${slowerMs > 0 ? slowerMs : ''}"> ms</label>
<select name="sort" aria-label="Sort">${option('', 'newest first', !slowestFirst)}${option('slowest', 'slowest first', slowestFirst)}</select>
<button type="button">Pause</button> <a href="#tree">tree</a>
</form>`
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
