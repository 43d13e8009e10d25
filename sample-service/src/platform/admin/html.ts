import { html } from 'hono/html'

/** Escapes text for HTML, and for an attribute in quotes: clients choose names and paths. */
export function escape(text: string): string {
  // hono returns a String object: slice makes it a string.
  return (html`${text}` as string).slice()
}

/** Milliseconds for people: `12 ms`, `1.5 s`, `3 min`. */
export function duration(ms: number): string {
  if (ms < 10) return `${Math.max(0, Math.round(ms * 10) / 10)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.round(ms / 60_000)} min`
}
