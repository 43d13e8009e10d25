import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { LiveContext } from '../../context/context.ts'
import { shows, type Filter } from '../telemetry/filter.ts'
import type { RequestView } from '../telemetry/recent.ts'
import { escape, duration } from './html.ts'
import { style } from './style.ts'
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

/** The page shows the oldest children, and the first contexts; the JSON has all. */
const maxChildren = 100
const maxShown = 500

/** Renders the tree of contexts as nested lists. For the contexts that it leaves out, it counts how many have each name. */
function contextsTree(root: LiveContext, now: number): string {
  const budget = { left: maxShown }
  return `<ul>${item(root, now, budget)}</ul>`
}

function item(context: LiveContext, now: number, budget: { left: number }): string {
  budget.left--
  const { name, ageMs, children } = context
  let shown = 0
  let list = ''
  for (; shown < Math.min(children.length, maxChildren) && budget.left > 0; shown++) {
    const child = children[shown]
    if (child !== undefined) list += item(child, now, budget)
  }
  if (shown < children.length) list += rest(children.slice(shown))
  if (list !== '') list = `<ul>${list}</ul>`
  return `<li>${escape(name)} <small>for ${duration(ageMs)}${timeLeft(context, now)}</small>${list}</li>`
}

/** `and 9800 more: 9000 GET /slow, 800 SELECT` */
function rest(contexts: readonly LiveContext[]): string {
  const names = new Map<string, number>()
  for (const { name } of contexts) names.set(name, (names.get(name) ?? 0) + 1)
  const most = Array.from(names).sort(([, a], [, b]) => b - a)
  const told = most.slice(0, 5).map(([name, count]) => `${count} ${escape(name)}`)
  return `<li><small>and ${contexts.length} more: ${told.join(', ')}${most.length > 5 ? ' …' : ''}</small></li>`
}

/** Renders the share of the context's time that is left, as a bar. */
function timeLeft({ ageMs, deadline }: LiveContext, now: number): string {
  if (deadline === null) return ''
  const leftMs = Math.max(0, deadline - now)
  const bar = `<meter min="0" max="${leftMs + ageMs}" value="${leftMs}" aria-label="time left"></meter>`
  return `, ${bar} ${duration(leftMs)} left`
}
