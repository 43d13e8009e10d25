import { contextName, type Context } from '../../context/context.ts'
import { requestOf, type RequestInfo } from '../request.ts'
import { traceOf } from './span.ts'

/** Who called for work that has failed. It is kept for the log, in case nobody awaited the work. */
export interface Start {
  readonly request: RequestInfo | undefined
  /** What the context of other work is called: `job send-mail`. */
  readonly name: string | undefined
  readonly traceId: string | undefined
  /** The caller's own function, which is written where the call is. */
  readonly body: object
}

/** The request whose handler was called last, and the handler's place. */
let last: { readonly request: RequestInfo; readonly describe: () => string } | undefined

/** Notes that the handler of this request is called. @param describe returns where the handler is written */
export function noteCall(request: RequestInfo, describe: () => string): void {
  last = { request, describe }
}

/** Node reports a rejection as soon as the code that caused it has returned: most often, this call is where it comes from. */
export function lastCall(): typeof last {
  return last
}

const starts = new WeakMap<object, { all: Start[]; open: boolean }>()

/**
 * Notes that work which the caller described by `body` fails with `failure`. Contexts that end together share their cause: if
 * it fails several calls in one turn of the event loop, the first ten are kept.
 */
export function noteStart(ctx: Context, body: object, failure: unknown): void {
  if (!(failure instanceof Error)) return
  let noted = starts.get(failure)
  if (noted?.open !== true) {
    const fresh = { all: [], open: true }
    noted = fresh
    starts.set(failure, fresh)
    // Node reports a rejection that nobody handles before the next turn.
    setImmediate(() => (fresh.open = false)).unref()
  }
  const request = requestOf(ctx)
  if (noted.all.length < 10)
    noted.all.push({ request, name: ctx.value(contextName), traceId: traceOf(ctx)?.traceId, body })
}

/** The calls that failed last with `failure`: one of them, if there are several, is the one that nobody awaited. */
export function startsOf(failure: unknown): readonly Start[] {
  return failure instanceof Error ? (starts.get(failure)?.all ?? []) : []
}
