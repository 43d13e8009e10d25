import { contextKey, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { causeName } from '../causes.ts'
import type { RequestInfo } from '../request.ts'

/** A transaction may run any number of statements. */
const maxSteps = 200

/** What work may wait for outside of the process: a connection of the pool, a statement, the answer of another service. */
export type Waited = 'pool' | 'database' | 'peer'

/** A process of Postgres. */
export interface StepBackend {
  readonly pid: number
  readonly startedAt: string
}

/** A span of a request, for the page of contexts: kept where that page is offered, whether or not spans are exported. */
export class Step {
  readonly name: string
  /** What tells it from others of its name: the statement, the address. */
  readonly detail: string | null
  /** What its work waits for while it is under way; null for work of the service's own. */
  readonly waitsFor: Waited | null
  /** Milliseconds since the request started, like `endMs`. */
  readonly startMs: number
  /** Null while it is under way. */
  endMs: number | null = null
  /** What ended its context, else what it failed with. */
  fault: string | null = null
  /** The lock that its statement was seen to wait for; null if it waited for none, or nobody looked. */
  lock: string | null = null
  readonly spans: Step[] = []
  /** Private, so that JSON leaves it out. */
  readonly #request: RecentRequest
  #backend: StepBackend | undefined

  constructor(
    request: RecentRequest,
    name: string,
    detail: string | null,
    waitsFor: Waited | null,
    startMs = request.msAt(performance.now()),
  ) {
    this.#request = request
    this.name = name
    this.detail = detail
    this.waitsFor = waitsFor
    this.startMs = startMs
  }

  get request(): RecentRequest {
    return this.#request
  }

  get ageMs(): number {
    return this.#request.msAt(performance.now()) - this.startMs
  }

  /** Who executes its statement, if that is known. */
  get backend(): StepBackend | undefined {
    return this.#backend
  }

  set backend(backend: StepBackend | undefined) {
    this.#backend = backend
  }

  /** Starts a step below this one; undefined if its request has too many. */
  start(name: string, detail: string | null, waitsFor: Waited | null): Step | undefined {
    if (++this.#request.steps > maxSteps) return undefined
    const step = new Step(this.#request, name, detail, waitsFor)
    this.spans.push(step)
    return step
  }

  finish(): void {
    this.endMs = this.#request.msAt(performance.now())
  }
}

/** The step that the work of a context is part of; it names the contexts below it. */
export const stepKey = contextKey<Step>('step', ({ name }) => name)

/** Calls `body`, which waits for `what`, in a step of its own, which is not exported as a span. */
export async function waiting<T>(ctx: Context, what: Waited, body: () => Promise<T>): Promise<T> {
  const step = ctx.value(stepKey)?.start(`wait for the ${what}`, null, what)
  try {
    return await body()
  } catch (error) {
    if (step !== undefined) step.fault = causeName(ctx) ?? errorOf(error).name
    throw error
  } finally {
    step?.finish()
  }
}

/** How a request ended. */
export interface Ending {
  /** What was answered; 499 where the client had left; 0 where nothing was sent. */
  readonly status: number
  /** What ended the request's context before the response was finished. */
  readonly cause: string | undefined
  /** The name of what it failed with, where the answer hides that. */
  readonly failure: string | undefined
  /** When that context ended, in milliseconds of performance.now(). */
  readonly canceledAt: number | undefined
}

/** What is known of a request when it starts. */
export interface Beginning {
  /** In milliseconds of performance.now(). */
  readonly startedAt: number
  /** Undefined where nothing is traced. */
  readonly traceId?: string | undefined
  /** Whether bytes to or from the client are outstanding. Called while the request is under way. */
  readonly waitsForClient?: () => boolean
}

/** A request, under way or ended, as the page of contexts keeps it. Ended, it holds no context. */
export class RecentRequest {
  readonly info: RequestInfo
  readonly traceId: string | undefined
  /** Its own: two callers may have sent one id. */
  readonly number: number
  /** The request itself: all other steps lie below it. */
  readonly root: Step
  ending: Ending | undefined
  /** In which order the requests have ended: their times are rounded, and may be alike. 0 while it is under way. */
  order = 0
  /** How many steps there were below the root, kept or not. */
  steps = 0
  readonly startedAt: number
  #waitsForClient: (() => boolean) | undefined

  constructor(info: RequestInfo, number: number, { startedAt, traceId, waitsForClient }: Beginning) {
    this.info = info
    this.number = number
    this.startedAt = startedAt
    this.traceId = traceId
    this.#waitsForClient = waitsForClient
    this.root = new Step(this, `${info.method} ${info.path}`, null, null, 0)
  }

  finish(ending: Ending, order: number): void {
    this.ending = ending
    this.order = order
    this.root.finish()
    this.#waitsForClient = undefined
  }

  /** Milliseconds from the start of the request to `now`, of performance.now(). */
  msAt(now: number): number {
    return Math.round((now - this.startedAt) * 100) / 100
  }

  /** What its latest work waits for; null if that is the service itself. */
  waitsFor(): Waited | 'lock' | 'client' | null {
    const step = openSteps(this.root).findLast(({ waitsFor }) => waitsFor !== null)
    if (step !== undefined) return step.lock === null ? step.waitsFor : 'lock'
    return this.#waitsForClient?.() === true ? 'client' : null
  }
}

/** Those under way, each before those below it. */
export function openSteps(step: Step): Step[] {
  return step.endMs === null ? [step, ...step.spans.flatMap(openSteps)] : []
}

/** A request in JSON: null stands for what is not known while it is under way. Milliseconds count from its start. */
export type RequestView = ReturnType<typeof viewOf>

export function viewOf(request: RecentRequest) {
  const { info, number, root, steps, ending, traceId } = request
  const now = performance.now()
  const durationMs = root.endMs ?? request.msAt(now)
  return {
    ...info,
    traceId: traceId ?? null,
    number,
    status: ending?.status ?? null,
    cause: ending?.cause ?? null,
    failure: ending?.failure ?? null,
    canceledMs: ending?.canceledAt === undefined ? null : request.msAt(ending.canceledAt),
    /** So far, while it is under way. */
    durationMs,
    /** Epoch milliseconds. */
    endedAt: root.endMs === null ? null : Math.round(Date.now() - (request.msAt(now) - durationMs)),
    waitsFor: request.waitsFor(),
    spans: root.spans,
    /** How many spans were not kept: it had too many. */
    spansLeftOut: Math.max(0, steps - maxSteps),
  }
}
