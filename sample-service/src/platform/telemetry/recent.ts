import { contextKey } from '../../context/context.ts'
import type { RequestInfo } from '../request.ts'

/** A transaction may run any number of statements. */
const maxSteps = 200

/** A span of a request, for the page of contexts: kept where that page is offered, whether or not spans are exported. */
export class Step {
  readonly name: string
  /** What tells it from others of its name: the statement, the address. */
  readonly detail: string | null
  /** Milliseconds since the request started, like `endMs`. */
  readonly startMs: number
  /** Null while it is under way. */
  endMs: number | null = null
  /** What ended its context, else what it failed with. */
  fault: string | null = null
  readonly spans: Step[] = []
  /** Private, so that JSON leaves it out. */
  readonly #request: RecentRequest

  constructor(request: RecentRequest, name: string, detail: string | null) {
    this.#request = request
    this.name = name
    this.detail = detail
    this.startMs = request.msAt(performance.now())
  }

  /** Starts a step below this one; undefined if its request has too many. */
  start(name: string, detail: string | null): Step | undefined {
    if (++this.#request.steps > maxSteps) return undefined
    const step = new Step(this.#request, name, detail)
    this.spans.push(step)
    return step
  }

  finish(): void {
    this.endMs = this.#request.msAt(performance.now())
  }
}

/** The step that the work of a context is part of; it names the contexts below it. */
export const stepKey = contextKey<Step>('step', ({ name }) => name)

/** How a request ended. */
export interface Ending {
  /** What was answered; 499 where the client had left; 0 where nothing was sent. */
  readonly status: number
  /** What ended the request's context before the response was finished. */
  readonly cause: string | undefined
  /** When that was, in milliseconds of performance.now(). */
  readonly canceledAt: number | undefined
}

/** A request, under way or ended, as the page of contexts keeps it. It holds no context. */
export class RecentRequest {
  readonly info: RequestInfo
  /** Its own: two callers may have sent one id. */
  readonly number: number
  /** The request itself: all other steps lie below it. */
  readonly root: Step
  ending: Ending | undefined
  /** How many there were below the root, kept or not. */
  steps = 0
  readonly #startedAt: number

  /** @param startedAt in milliseconds of performance.now() */
  constructor(info: RequestInfo, number: number, startedAt: number) {
    this.info = info
    this.number = number
    this.#startedAt = startedAt
    this.root = new Step(this, `${info.method} ${info.path}`, null)
  }

  /** Milliseconds from the start of the request to `now`, of performance.now(). */
  msAt(now: number): number {
    return Math.round((now - this.#startedAt) * 100) / 100
  }
}

export type RecentRequests = ReturnType<typeof recentRequests>

/** The requests under way, and of those that have ended the last `limit`. */
export function recentRequests(limit: number) {
  const underWay = new Set<RecentRequest>()
  const ended: RecentRequest[] = []
  let number = 0
  return {
    /** @param startedAt in milliseconds of performance.now() */
    start(info: RequestInfo, startedAt: number): RecentRequest {
      const request = new RecentRequest(info, ++number, startedAt)
      underWay.add(request)
      return request
    },
    finish(request: RecentRequest, ending: Ending): void {
      request.ending = ending
      request.root.finish()
      underWay.delete(request)
      if (ended.length === limit) ended.shift()
      ended.push(request)
    },
    /** The oldest first. */
    underWay: (): Iterable<RecentRequest> => underWay,
    /** The newest first. */
    ended: (): RecentRequest[] => ended.toReversed(),
  }
}

/** A request in JSON: null stands for what is not known while it is under way. Milliseconds count from its start. */
export type RequestView = ReturnType<typeof viewOf>

export function viewOf(request: RecentRequest) {
  const { info, number, root, steps, ending } = request
  const now = performance.now()
  const durationMs = root.endMs ?? request.msAt(now)
  return {
    ...info,
    number,
    status: ending?.status ?? null,
    cause: ending?.cause ?? null,
    canceledMs: ending?.canceledAt === undefined ? null : request.msAt(ending.canceledAt),
    /** So far, while it is under way. */
    durationMs,
    /** Epoch milliseconds. */
    endedAt: root.endMs === null ? null : Math.round(Date.now() - (request.msAt(now) - durationMs)),
    spans: root.spans,
    /** How many spans were not kept: it had too many. */
    spansLeftOut: Math.max(0, steps - maxSteps),
  }
}
