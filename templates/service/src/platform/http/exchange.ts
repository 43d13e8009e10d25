import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { cause, type CancelContext, type Context } from '../../context/context.ts'
import { causeName, ClientDisconnected } from '../causes.ts'
import { msSince } from '../lifecycle/closers.ts'
import { Problem } from '../problem.ts'
import type { RequestInfo } from '../request.ts'
import type { Log } from '../telemetry/log.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import type { Route } from './route.ts'

/**
 * One request and its response, from the first header to the last byte. It owns its states: routed, answered, failed, hung
 * up, settled, closed. It has ended when its response is closed and its handler has settled, whichever is last.
 */
export class Exchange {
  readonly info: RequestInfo
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** Milliseconds of performance.now(). */
  readonly startedAt = performance.now()
  // eslint-disable-next-line context/no-context-in-state -- the record of one request: the end of the response ends both
  #ctx: CancelContext | undefined
  #route: Route | undefined
  #status = 0
  #failure: unknown
  #endedAt: number | undefined
  #working = false
  #closed = false
  readonly #onEnd: (exchange: Exchange) => void

  /** @param onEnd called when the exchange has ended, perhaps more than once */
  constructor(incoming: IncomingMessage, outgoing: ServerResponse, onEnd: (exchange: Exchange) => void) {
    this.info = {
      id: requestId(incoming),
      method: incoming.method ?? 'GET',
      path: pathOf(incoming.url ?? '/'),
      route: undefined,
    }
    this.incoming = incoming
    this.outgoing = outgoing
    this.#onEnd = onEnd
    // 'close' follows a finished response as well as a broken connection. The request's own 'close' comes as soon as its
    // body has been read.
    outgoing.on('close', () => this.#close())
  }

  /** Undefined until the request has been routed or refused. */
  get ctx(): CancelContext | undefined {
    return this.#ctx
  }

  /** Undefined where no route answers. */
  get route(): Route | undefined {
    return this.#route
  }

  /** When ctx ended before the exchange, in milliseconds of performance.now(); undefined where both ended together. */
  get endedAt(): number | undefined {
    return this.#endedAt
  }

  /** Whether a handler is at work, answered or not. */
  get working(): boolean {
    return this.#working
  }

  /** Whether the response has ended, finished or not: nobody reads what is written now. */
  get closed(): boolean {
    return this.#closed
  }

  /** The request has a context, which ends with the exchange, and a handler that works under it. */
  routed(ctx: CancelContext, route: Route | undefined): void {
    this.#ctx = ctx
    this.#route = route
    this.info.route = route?.path
    this.#working = true
    // The client may have left before.
    if (this.#closed) this.#hangUp(ctx)
  }

  /** The response has this status. */
  answered(status: number): void {
    this.#status = status
  }

  /** The request has failed with what its client is not told. */
  failed(failure: unknown): void {
    this.#failure = failure
  }

  /** Its context has ended before the answer: from now on its work is for nobody. */
  cutShort(): void {
    this.#endedAt ??= performance.now()
  }

  /** The handler has returned or thrown. */
  settled(): void {
    this.#working = false
    this.#endIfDone()
  }

  /** How the exchange ended, for those who observe it. */
  outcome(ctx: Context): Outcome {
    // A body that cannot be parsed ends the context of its request with the answer: nothing else has ended it.
    const refused = cause(ctx) instanceof Problem
    const name = this.#status === 499 ? 'ClientDisconnected' : refused ? undefined : causeName(ctx)
    // Work that fails because its context has ended is reported by the cause of that.
    const failure = ctx.err === undefined ? this.#failure : undefined
    return { route: this.#route?.path, status: this.#status, cause: name, failure }
  }

  #close(): void {
    this.#closed = true
    const { outgoing } = this
    const ctx = this.#ctx
    // A body that broke off has an error: this side has closed its connection, not the client.
    if (outgoing.errored !== null && ctx?.err === undefined) this.#failure ??= outgoing.errored
    else if (ctx !== undefined && !outgoing.writableFinished) this.#hangUp(ctx)
    this.#endIfDone()
  }

  #hangUp(ctx: CancelContext): void {
    if (ctx.err === undefined) this.#status = 499
    if (this.#route?.hangUp === 'ignore') return
    this.cutShort()
    ctx.cancel(new ClientDisconnected())
  }

  #endIfDone(): void {
    if (this.#closed && !this.#working) this.#onEnd(this)
  }
}

/** One line about a request that would not end. */
export function describeExchange({ info, startedAt }: Exchange): string {
  return `${info.method} ${info.path} (request ${info.id}, for ${msSince(startedAt)} ms)`
}

/** Logs what an operator needs to find a request that would not end, and its place in the code. */
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
