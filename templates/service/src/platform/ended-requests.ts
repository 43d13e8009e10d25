import type { RequestInfo } from './request.ts'

/** A request that has ended, and what ended it. */
export interface EndedRequest extends RequestInfo {
  /** What was answered; 499 where the client had left; 0 where nothing was sent. */
  readonly status: number
  /** What ended the request's context before the response was finished. */
  readonly cause: string | undefined
  /** Milliseconds from its first header to the end of its response and its work. */
  readonly durationMs: number
  /** Epoch milliseconds. */
  readonly endedAt: number
}

/** The requests that ended last. It holds no more than `limit`, and no context. */
export interface EndedRequests {
  add(request: EndedRequest): void
  /** The newest first. */
  list(): EndedRequest[]
}

export function endedRequests(limit: number): EndedRequests {
  const kept: EndedRequest[] = []
  return {
    add(request) {
      if (kept.length === limit) kept.shift()
      kept.push(request)
    },
    list: () => kept.toReversed(),
  }
}
