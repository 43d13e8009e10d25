import { withValue, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import type { Problem } from '../problem.ts'
import { requestKey, type RequestInfo } from '../request.ts'
import type { Log } from '../telemetry/log.ts'
import { isCounted } from '../telemetry/histogram.ts'
import { httpMetrics } from '../telemetry/metrics.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import type { RecentRequests } from '../telemetry/kept.ts'
import { stepKey } from '../telemetry/recent.ts'
import { traceOf, tracer } from '../telemetry/span.ts'
import type { Exchange } from './exchange.ts'
import { endServerSpan, startServerSpan } from './span.ts'

/** Is called for each request: when it starts, and when it has ended. */
export interface Observer {
  /** @returns the context for the request's work: `ctx`, with the values that the observer adds */
  began(ctx: Context, exchange: Exchange): Context
  /** @param seconds from its first header to its end */
  ended(ctx: Context, exchange: Exchange, outcome: Outcome, seconds: number): void
}

/** The observers of a server. */
export interface Observers {
  readonly all: readonly Observer[]
  /** Counts and logs a message that Node could not parse as a request; refusal.ts has answered it. */
  refused(ctx: Context, info: RequestInfo, problem: Problem): void
}

/**
 * Tracing, metrics, the log, and the page of contexts where it is offered. Call it after `startTelemetry`: before that nothing
 * is traced or counted.
 */
export function observersOf(log: Log, recent: RecentRequests | undefined): Observers {
  const metrics = httpMetrics()
  const counting: Observer = {
    began(ctx, { info }) {
      metrics.started(info.method)
      return ctx
    },
    ended(_ctx, { info }, outcome, seconds) {
      metrics.finished(info.method, outcome, seconds)
    },
  }
  return {
    all: [
      ...tracing(),
      ...(isCounted() ? [counting] : []),
      logging(log),
      ...(recent === undefined ? [] : [remembering(recent)]),
    ],
    refused(ctx, info, { status, message }) {
      const { method } = info
      metrics.started(method)
      metrics.finished(method, { route: undefined, status, cause: undefined, failure: undefined }, 0)
      const client = info.client?.address
      log.info(withValue(ctx, requestKey, info), 'request', { method, status, client, refused: message })
    },
  }
}

/** None where nothing is traced. */
function tracing(): Observer[] {
  const spans = tracer()
  if (spans === undefined) return []
  return [
    {
      began: (ctx, { incoming, info }) =>
        startServerSpan(ctx, spans, incoming.headers, info, incoming.url ?? '/'),
      ended: (ctx, _exchange, outcome) => endServerSpan(ctx, outcome),
    },
  ]
}

/** Keeps the requests under way and the last that ended, for `/debug/contexts`. */
function remembering(recent: RecentRequests): Observer {
  return {
    began(ctx, exchange) {
      // Probes and documentation would push out what somebody looks for.
      if (exchange.route?.quiet === true) return ctx
      const request = recent.start(exchange.info, {
        startedAt: exchange.startedAt,
        traceId: traceOf(ctx)?.traceId,
        waitsForClient: () => waitsForClient(exchange),
      })
      return withValue(ctx, stepKey, request.root)
    },
    ended(ctx, exchange, { status, cause, failure }) {
      const request = ctx.value(stepKey)?.request
      if (request === undefined) return
      const name = failure === undefined ? undefined : errorOf(failure).name
      recent.finish(request, { status, cause, failure: name, canceledAt: exchange.cutShortAt })
    },
  }
}

/** Whether the client has yet to read what the service wrote, or to send the rest of its body. */
function waitsForClient({ incoming, outgoing, closed }: Exchange): boolean {
  if (closed) return false
  return outgoing.writableNeedDrain || outgoing.writableEnded || !incoming.complete
}

/** One line for each request: an error for a fault of the service, debug for a route that is `quiet`. */
function logging(log: Log): Observer {
  return {
    began: (ctx) => ctx,
    ended(ctx, { info, route }, { status, cause, failure }, seconds) {
      const fields = {
        method: info.method,
        path: info.path,
        route: info.route,
        status,
        client: info.client?.address,
        durationMs: Math.round(seconds * 1e6) / 1e3,
        cause,
        // Not sent to the client.
        err: failure,
      }
      // Below 500 it failed after its answer had begun, or after its client had left.
      if (status === 500 || (status < 500 && failure !== undefined)) log.error(ctx, 'request', fields)
      else if (status > 500) log.warn(ctx, 'request', fields)
      else if (route?.quiet === true) log.debug(ctx, 'request', fields)
      else log.info(ctx, 'request', fields)
    },
  }
}
