import type { RequestView } from './recent.ts'

/** Which requests the page shows, and what it calls them. */
export const shows = { all: 'all', running: 'still running', failed: 'failed', left: 'left' }

/** Which requests are shown, from the query of the page's address. */
export interface Filter {
  /** What was searched for, as typed. */
  readonly text: string
  readonly show: keyof typeof shows
  /** 0 for all. */
  readonly slowerMs: number
  readonly slowestFirst: boolean
}

/** `?trace=` of a link is a search, too. What makes no sense is ignored. */
export function filterOf(query: URLSearchParams): Filter {
  const show = query.get('show')
  return {
    text: (query.get('trace') ?? query.get('q') ?? '').trim(),
    show: show === 'running' || show === 'failed' || show === 'left' ? show : 'all',
    slowerMs: Math.max(0, Number(query.get('slower')) || 0),
    slowestFirst: query.get('sort') === 'slowest',
  }
}

/** Whether every word of the search is part of what is known of the request, and the rest of the filter fits. */
export function fits({ text, show, slowerMs }: Filter, request: RequestView): boolean {
  if (request.durationMs < slowerMs || !isShown(show, request)) return false
  if (text === '') return true
  const { status, method, path, cause, failure, id, traceId, waitsFor } = request
  const known = [status, method, path, cause, failure, id, traceId, waitsFor].join(' ').toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => known.includes(word))
}

function isShown(show: Filter['show'], { status, failure, endedAt }: RequestView): boolean {
  if (show === 'running') return endedAt === null
  if (show === 'failed') return failure !== null || (status !== null && status >= 500)
  return show === 'all' || status === 499
}

/** Whether the search is for this very request, which is then shown open. */
export function isNamed({ text }: Filter, { id, traceId }: RequestView): boolean {
  return text !== '' && (text === id || text.toLowerCase() === traceId)
}
