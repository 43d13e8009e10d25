import type { RequestInfo } from '../request.ts'
import { rootStep, type Step } from './steps.ts'

/** A request, under way or ended, as the page of contexts keeps it. It holds no context. */
export interface RecentRequest {
  readonly info: RequestInfo
  /** Its own: two callers may have sent one id. */
  readonly number: number
  /** What was done for it; the step that all others lie below is the request itself. */
  readonly steps: Step
  ending: Ending | undefined
}

export interface Ending {
  /** What was answered; 499 where the client had left; 0 where nothing was sent. */
  readonly status: number
  /** What ended the request's context before the response was finished. */
  readonly cause: string | undefined
  /** When that was, in milliseconds of performance.now(). */
  readonly canceledAt: number | undefined
}

/** The requests under way, and those that ended last. */
export interface RecentRequests {
  /** @param startedAt in milliseconds of performance.now() */
  begin(info: RequestInfo, startedAt: number): RecentRequest
  end(request: RecentRequest, ending: Ending): void
  /** The oldest first. */
  underWay(): Iterable<RecentRequest>
  /** The newest first. */
  ended(): RecentRequest[]
}

/** Of those that have ended it keeps the last `limit`. */
export function recentRequests(limit: number): RecentRequests {
  const underWay = new Set<RecentRequest>()
  const ended: RecentRequest[] = []
  let number = 0
  return {
    begin(info, startedAt) {
      const steps = rootStep(`${info.method} ${info.path}`, startedAt)
      const request = { info, number: ++number, steps, ending: undefined }
      underWay.add(request)
      return request
    },
    end(request, ending) {
      request.ending = ending
      request.steps.endedAt = performance.now()
      underWay.delete(request)
      if (ended.length === limit) ended.shift()
      ended.push(request)
    },
    underWay: () => underWay,
    ended: () => ended.toReversed(),
  }
}

/** A request in JSON. Milliseconds count from its beginning. */
export interface RequestView extends RequestInfo {
  readonly number: number
  /** Null while it is under way. */
  readonly status: number | null
  readonly cause: string | null
  readonly canceledMs: number | null
  /** So far, while it is under way. */
  readonly durationMs: number
  /** Epoch milliseconds; null while it is under way. */
  readonly endedAt: number | null
  readonly spans: readonly SpanView[]
  /** How many spans were not kept: it had too many. */
  readonly spansLeftOut: number
}

export interface SpanView {
  readonly name: string
  readonly detail: string | null
  readonly startMs: number
  /** Null while it is under way. */
  readonly endMs: number | null
  /** What ended its context, else what it failed with. */
  readonly fault: string | null
  readonly spans: readonly SpanView[]
}

export function viewOf({ info, number, steps, ending }: RecentRequest): RequestView {
  const now = performance.now()
  const { startedAt, endedAt, budget } = steps
  const sinceStart = (at: number): number => round(at - startedAt)
  const spanOf = (step: Step): SpanView => ({
    name: step.name,
    detail: step.detail ?? null,
    startMs: sinceStart(step.startedAt),
    endMs: step.endedAt === undefined ? null : sinceStart(step.endedAt),
    fault: step.fault ?? null,
    spans: step.below.map(spanOf),
  })
  return {
    ...info,
    number,
    status: ending?.status ?? null,
    cause: ending?.cause ?? null,
    canceledMs: ending?.canceledAt === undefined ? null : sinceStart(ending.canceledAt),
    durationMs: sinceStart(endedAt ?? now),
    endedAt: endedAt === undefined ? null : Math.round(Date.now() - (now - endedAt)),
    spans: steps.below.map(spanOf),
    spansLeftOut: Math.max(0, -budget.left),
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
