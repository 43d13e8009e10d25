import { createHash } from 'node:crypto'
import type { LiveContext } from '../context/context.ts'

const style = `
:root { color-scheme: light dark; --line: light-dark(#c8ccd2, #4a4f57); --quiet: light-dark(#5c636d, #9aa2ad) }
body { font: 15px/1.5 ui-monospace, monospace; max-width: 72rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.1rem }
ul { list-style: none; margin: 0; padding-left: 1.25rem; border-left: 1px solid var(--line) }
main > ul { border: 0; padding: 0 }
li { overflow-wrap: anywhere }
small, p { color: var(--quiet) }
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

/** The tree of contexts as a page that stands alone: no other file, light and dark, up to date by itself. */
export function contextsPage(live: number, root: LiveContext): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Live contexts</title>
<style>${style}</style>
<h1>Live contexts</h1>
<p role="status"></p>
<main><p>${live} not yet ended</p><ul>${item(root, Date.now())}</ul></main>
<script>${script}</script>
</html>
`
}

function item(context: LiveContext, now: number): string {
  const { name, ageMs, deadline, children } = context
  const left = deadline === null ? '' : `, ${duration(deadline - now)} left`
  const below = children.map((child) => item(child, now)).join('')
  return `<li>${escape(name)} <small>for ${duration(ageMs)}${left}</small>${below && `<ul>${below}</ul>`}</li>`
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
