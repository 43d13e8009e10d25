import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { LiveContext } from '../../context/context.ts'
import { contextsTree } from './tree.ts'
import { waterfall } from './waterfall.ts'
import type { RequestView } from '../telemetry/recent.ts'

/** What `/debug/contexts` shows. */
export interface Shown {
  /** How many contexts there are, the root included. */
  readonly live: number
  /** How many of them `root` leaves out; absent where it has all. */
  readonly leftOut?: number
  /** Whether there are more than `live` and `leftOut` say. */
  readonly uncounted?: boolean
  readonly root: LiveContext
  /** Some of the requests that have not ended, the oldest first. */
  readonly underWay: readonly RequestView[]
  /** Those that ended last, the newest first. */
  readonly ended: readonly RequestView[]
}

const style = `
:root { color-scheme: light dark; --line: light-dark(#c8ccd2, #4a4f57); --quiet: light-dark(#5c636d, #9aa2ad);
  --bar: light-dark(#3b6fb6, #7fb0f0); --fault: light-dark(#a3320b, #ff9d76); --open: light-dark(#2f8f5b, #6fd09b) }
body { font: 15px/1.5 ui-monospace, monospace; max-width: 72rem; margin: 0 auto; padding: 1rem;
  background: light-dark(#fff, #16181c); color: light-dark(#1c1f23, #e6e8eb) }
h1, h2 { font-size: 1.1rem }
ul, ol { list-style: none; margin: 0; padding-left: 1.25rem; border-left: 1px solid var(--line) }
section > ul, ol, details > ul { border: 0; padding: 0 }
li { overflow-wrap: anywhere }
small, p { color: var(--quiet) }
.detail { display: block }
meter { width: 6rem; height: .8rem; vertical-align: middle }
b { font-weight: 600; color: var(--fault) }
svg { display: block; width: 100%; margin: .15rem 0 .35rem; fill: var(--bar);
  background: light-dark(#f0f2f5, #22262c) }
rect.fault, rect.end { fill: var(--fault) }
rect.open { fill: var(--open) }
summary { cursor: pointer; padding: .1rem 0 }
details[open] { border-left: 3px solid var(--line); padding-left: .75rem }
.d1 { padding-left: 1rem } .d2 { padding-left: 2rem } .d3 { padding-left: 3rem } .d4, .d5 { padding-left: 4rem }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: .3rem; padding: .2rem .8rem }
`

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

/** Renders the tree of contexts and the requests as a page that needs no other file and refreshes itself. */
export function contextsPage({ live, leftOut, uncounted, root, underWay, ended }: Shown): string {
  const now = Date.now()
  const count = `${uncounted === true ? 'at least ' : ''}${live} not yet ended`
  const missing = leftOut === undefined ? '' : `; ${leftOut} of them are left out here`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Live contexts</title>
<style>${style}</style>
<h1>Live contexts</h1>
<button type="button">Pause</button>
<p role="status"></p>
<main>
<section><p>${count}${missing}</p>${contextsTree(root, now)}</section>
<section><h2>Requests under way</h2>${waterfall(underWay, now)}</section>
<section><h2>Ended requests</h2>${waterfall(ended, now)}</section>
</main>
<script>${script}</script>
</html>
`
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
