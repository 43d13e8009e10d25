import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CancelContext, Context } from '../../context/context.ts'
import { msSince } from '../lifecycle/closers.ts'
import type { Log } from '../telemetry/log.ts'
import type { RecentRequest } from '../telemetry/recent.ts'
import type { RequestInfo } from '../request.ts'
import type { Route } from './route.ts'

/** One request and its response, from the first header to the last byte. Under way until it is answered and unwound. */
export interface Exchange {
  readonly info: RequestInfo
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** Monotonic milliseconds. */
  readonly startedAt: number
  /** Set when the request has been routed; ended when the response has. */
  // eslint-disable-next-line context/no-context-in-state -- the record of one request: the response's end ends both
  ctx: CancelContext | undefined
  route: Route | undefined
  /** Where it is remembered, if anywhere. */
  recent: RecentRequest | undefined
  /** What was answered, for the log: 499 where nobody was there to read it. */
  status: number
  /** What it has failed with: a 5xx hides it from the client, and an answer that broke off cannot tell. */
  failure: unknown
  /** When its context ended before it, in monotonic milliseconds; undefined where the context ended with it. */
  endedAt: number | undefined
  /** Whether a handler is still at work, answered or not. */
  working: boolean
  /** Whether the response has ended, finished or not. */
  closed: boolean
}

/** A request that was accepted but not routed yet. */
export function openExchange(incoming: IncomingMessage, outgoing: ServerResponse): Exchange {
  return {
    info: { id: requestId(incoming), method: incoming.method ?? 'GET', path: pathOf(incoming.url ?? '/') },
    incoming,
    outgoing,
    startedAt: performance.now(),
    ctx: undefined,
    route: undefined,
    recent: undefined,
    status: 0,
    failure: undefined,
    endedAt: undefined,
    working: false,
    closed: false,
  }
}

/** One line about a request that would not end. */
export function describeExchange({ info, startedAt }: Exchange): string {
  return `${info.method} ${info.path} (request ${info.id}, for ${msSince(startedAt)} ms)`
}

/** What an operator needs to find a request that would not end, and its place in the code. */
export function logAbandoned(ctx: Context, log: Log, exchange: Exchange): void {
  const { info, route, startedAt } = exchange
  const forMs = msSince(startedAt)
  // eslint-disable-next-line context/pass-context -- the line is about other work: in its own context it has its ids
  log.error(exchange.ctx ?? ctx, 'abandoned: a handler did not end with its context', {
    method: info.method,
    path: info.path,
    route: route?.path,
    since: new Date(Date.now() - forMs).toISOString(),
    forMs,
  })
}

/** The caller's id where it is bounded and printable, for it goes into logs and back into a header. */
function requestId(incoming: IncomingMessage): string {
  const given = incoming.headers['x-request-id']
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID()
}

/** The target without its query, and without what may stand before its path: a proxy is sent `http://user:password@host/path`. */
function pathOf(url: string): string {
  const query = url.indexOf('?')
  const target = query === -1 ? url : url.slice(0, query)
  return target.startsWith('/') ? target : target.replace(/^[^:/]*:\/\/[^/]*/, '') || '/'
}
