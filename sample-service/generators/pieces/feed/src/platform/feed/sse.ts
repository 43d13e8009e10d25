import { Readable } from 'node:stream'
import { afterFunc, remainingMs, throwIfEnded, withTimeout, type Context } from '../../context/context.ts'
import type { StreamedResponse } from '../http/route.ts'
import type { Platform } from '../platform.ts'
import { requestTimeout } from '../problem.ts'
import { requestOf } from '../request.ts'
import { meter } from '../telemetry/metrics.ts'

/** One event, as a client of `EventSource` gets it. */
export interface ServerEvent {
  /** What the client sends as `Last-Event-ID` when it reconnects. */
  readonly id: string
  /** Sent as JSON. */
  readonly data: unknown
}

export interface EventStreamOptions {
  /** How long a client waits before it reconnects, in milliseconds. Default 3,000. */
  readonly retryMs?: number
  /** How often a silent stream sends a comment, in milliseconds, to keep proxies and notice a lost client. Default 15,000. */
  readonly heartbeatMs?: number
  /** How long a client may read nothing before it is disconnected, in milliseconds. Default 10,000. */
  readonly slowMs?: number
}

/** How long before its deadline a stream ends by itself, so that the client sees an end and not a broken connection. */
const beforeDeadlineMs = 200

/**
 * Answers with the events that `next` returns, until the client hangs up, the route's deadline is near, the caller's token
 * expires, or the service stops. The client then reconnects, to another instance if this one stops. Nothing is buffered: `next`
 * is called when the client has read the earlier events, and a client that reads nothing is disconnected.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 * @param next returns the next events, or none after a second at most; rejects with the cause of ctx when it ends
 */
export function eventStream(
  ctx: Context,
  { log, readiness }: Platform,
  next: (ctx: Context) => Promise<readonly ServerEvent[]>,
  { retryMs = 3_000, heartbeatMs = 15_000, slowMs = 10_000 }: EventStreamOptions = {},
): StreamedResponse {
  const body = Readable.from(taken(), { highWaterMark: 1 })
  return {
    status: 200,
    headers: {
      'content-type': 'text/event-stream',
      // A proxy or a middleware that compresses an answer would delay it until it has enough bytes.
      'cache-control': 'no-store, no-transform',
      // nginx would buffer it.
      'x-accel-buffering': 'no',
    },
    body,
  }

  /** The frames, each with a time limit within which the client must read it. */
  async function* taken(): AsyncGenerator<string, void> {
    const left = countClient()
    try {
      for await (const frame of frames()) {
        using patience = withTimeout(ctx, slowMs)
        const stop = afterFunc(patience, () => {
          if (ctx.err !== undefined) return
          log.info(patience, 'a client that did not read its events was disconnected')
          body.destroy(requestTimeout(`the client read no event for ${slowMs} ms`))
        })
        try {
          yield frame
        } finally {
          stop()
        }
      }
    } finally {
      left()
    }
  }

  async function* frames(): AsyncGenerator<string, void> {
    const expires = requestOf(ctx)?.principalUntil ?? Infinity
    using open = withTimeout(ctx, Math.min(expires - Date.now(), remainingMs(ctx) - beforeDeadlineMs))
    yield `retry: ${retryMs}\n\n`
    let spokeAt = performance.now()
    while (readiness.accepting) {
      const events = await next(open).catch((error: unknown) => {
        throwIfEnded(ctx)
        if (open.err !== undefined) return undefined
        throw error
      })
      if (events === undefined) return
      const now = performance.now()
      if (events.length > 0 || now - spokeAt >= heartbeatMs) spokeAt = now
      else continue
      yield events.length === 0 ? ':\n\n' : events.map(frameOf).join('')
    }
  }
}

/** JSON has no line breaks of its own, so the data is one line. */
function frameOf({ id, data }: ServerEvent): string {
  return `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Counts a client that follows events. @returns the function to call when it leaves */
function countClient(): () => void {
  const clients = meter().createUpDownCounter('events.clients', {
    description: 'Clients that follow events now.',
    unit: '{client}',
  })
  clients.add(1)
  return () => clients.add(-1)
}
