import { createHash } from 'node:crypto'
import type { LiveContext } from '../context/context.ts'
import type { EndedRequest } from './ended-requests.ts'

/** Of more children than these a page shows the oldest: it is for people, the JSON has them all. */
const maxShown = 200

const style = `
:root { color-scheme: light dark; --line: light-dark(#c8ccd2, #4a4f57); --quiet: light-dark(#5c636d, #9aa2ad) }
body { font: 15px/1.5 ui-monospace, monospace; max-width: 72rem; margin: 0 auto; padding: 1rem;
  background: light-dark(#fff, #16181c); color: light-dark(#1c1f23, #e6e8eb) }
h1, h2 { font-size: 1.1rem }
ul, ol { list-style: none; margin: 0; padding-left: 1.25rem; border-left: 1px solid var(--line) }
section > ul, ol { border: 0; padding: 0 }
li { overflow-wrap: anywhere }
small, p { color: var(--quiet) }
meter { width: 6rem; height: .8rem; vertical-align: middle }
b { font-weight: 600; color: light-dark(#a3320b, #ff9d76) }
`

/** Fetches the page again each second while it is looked at, and takes over its tree. */
const script = `
const status = document.querySelector('[role=status]')
async function refresh() {
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { headers: { accept: 'text/html' } })
      const next = new DOMParser().parseFromString(await response.text(), 'text/html')
      document.querySelector('main').replaceWith(next.querySelector('main'))
      status.textContent = ''
    } catch {
      status.textContent = 'The service does not answer. This is what it showed last.'
    }
  }
  setTimeout(refresh, 1000)
}
setTimeout(refresh, 1000)
`

/** The Content-Security-Policy of `contextsPage`: its own style and script, and nothing from anywhere else. */
export const contextsPagePolicy = [
  "default-src 'none'",
  `style-src '${digest(style)}'`,
  `script-src '${digest(script)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * The tree of contexts as a page that stands alone: no other file, light and dark, up to date by itself.
 * @param ended the requests that ended last, the newest first
 */
export function contextsPage(live: number, root: LiveContext, ended: readonly EndedRequest[]): string {
  const now = Date.now()
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Live contexts</title>
<style>${style}</style>
<h1>Live contexts</h1>
<p role="status"></p>
<main>
<section><p>${live} not yet ended</p><ul>${item(root, now)}</ul></section>
<section><h2>Ended requests</h2><ol>${ended.map((request) => row(request, now)).join('')}</ol></section>
</main>
<script>${script}</script>
</html>
`
}

function item(context: LiveContext, now: number): string {
  const { name, ageMs, children } = context
  const below = children
    .slice(0, maxShown)
    .map((child) => item(child, now))
    .join('')
  const hidden = children.length - maxShown
  const more = hidden > 0 ? `<li><small>and ${hidden} more</small></li>` : ''
  const list = below === '' ? '' : `<ul>${below}${more}</ul>`
  return `<li>${escape(name)} <small>for ${duration(ageMs)}${timeLeft(context, now)}</small>${list}</li>`
}

/** What is left of the whole time that the context was given, as a bar that shrinks. */
function timeLeft({ ageMs, deadline }: LiveContext, now: number): string {
  if (deadline === null) return ''
  const leftMs = Math.max(0, deadline - now)
  const bar = `<meter min="0" max="${leftMs + ageMs}" value="${leftMs}" aria-label="time left"></meter>`
  return `, ${bar} ${duration(leftMs)} left`
}

function row(request: EndedRequest, now: number): string {
  const { method, path, status, cause, durationMs, endedAt } = request
  const reason = cause === undefined ? '' : ` <b>${escape(cause)}</b>`
  const times = `after ${duration(durationMs)}, ${duration(now - endedAt)} ago`
  return `<li>${status} ${escape(method)} ${escape(path)}${reason} <small>${times}</small></li>`
}

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.round(ms / 60_000)} min`
}

/** A name may hold the path of a request, which is the client's to choose. */
function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
