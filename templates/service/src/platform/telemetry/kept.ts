import type { RequestInfo } from '../request.ts'
import { RecentRequest, type Beginning, type Ending } from './recent.ts'

/** How many of a minute's slowest requests are kept. */
const maxSlowest = 20
const minuteMs = 60_000

export type RecentRequests = ReturnType<typeof recentRequests>

/**
 * Keeps the requests under way and, of those that have ended, the last `limit`, the last `limit` that failed or whose context
 * ended early, and the slowest of this minute and of the one before. At a hundred requests a second, the last hundred alone would
 * cover only one second.
 */
export function recentRequests(limit: number) {
  const underWay = new Set<RecentRequest>()
  const last: RecentRequest[] = []
  const troubled: RecentRequest[] = []
  const slow = slowest()
  let number = 0
  let finished = 0
  return {
    start(info: RequestInfo, beginning: Beginning): RecentRequest {
      const request = new RecentRequest(info, ++number, beginning)
      underWay.add(request)
      return request
    },
    finish(request: RecentRequest, ending: Ending): void {
      request.finish(ending, ++finished)
      underWay.delete(request)
      keep(last, limit, request)
      if (isTroubled(ending)) keep(troubled, limit, request)
      slow.add(request)
    },
    /** The oldest first. */
    underWay: (): Iterable<RecentRequest> => underWay,
    /** The newest first. */
    ended: (): RecentRequest[] =>
      Array.from(new Set([...last, ...troubled, ...slow.all()])).sort((a, b) => b.order - a.order),
  }
}

function isTroubled({ status, cause, failure }: Ending): boolean {
  return status >= 500 || cause !== undefined || failure !== undefined
}

function keep(kept: RecentRequest[], limit: number, request: RecentRequest): void {
  if (kept.length === limit) kept.shift()
  kept.push(request)
}

function slowest() {
  let startedAt = -Infinity
  let before: RecentRequest[] = []
  /** The slowest last. */
  let now: RecentRequest[] = []
  return {
    add(request: RecentRequest): void {
      const at = request.startedAt + durationOf(request)
      if (at - startedAt > minuteMs) {
        before = at - startedAt > 2 * minuteMs ? [] : now
        now = []
        startedAt = at
      }
      if (now.length === maxSlowest && durationOf(request) <= durationOf(now[0])) return
      now.push(request)
      now.sort((a, b) => durationOf(a) - durationOf(b))
      if (now.length > maxSlowest) now.shift()
    },
    all: () => [...before, ...now],
  }
}

function durationOf(request: RecentRequest | undefined): number {
  return request?.root.endMs ?? 0
}
