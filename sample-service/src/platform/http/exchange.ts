import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { cause, type CancelContext, type Context } from '../../context/context.ts'
import type { Linked, List } from '../../context/list.ts'
import { causeName, ClientDisconnected } from '../causes.ts'
import { Problem } from '../problem.ts'
import type { Client, RequestInfo } from '../request.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import { bodyOf, type Body } from './answer-body.ts'
import type { NodeEnv } from './boundary.ts'
import { isBegun } from './lazy-body.ts'
import { requestInfo } from './request-info.ts'
import type { Route } from './route.ts'

type HeadersByName = Record<string, string>
type OnEnd = (exchange: Exchange) => void

/**
 * One request and its response, from the first header to the last byte, and its state: routed, answered, failed, hung up,
 * settled, closed. It ends when its response is closed and its handler has settled, whichever is last.
 */
export class Exchange implements Linked<Exchange> {
  readonly info: RequestInfo
  readonly incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  /** The headers of every answer, by names in lower case; undefined once Node has them. */
  headers: HeadersByName | undefined
  /** Milliseconds of performance.now(). */
  readonly startedAt = performance.now()
  // eslint-disable-next-line context/no-context-in-state -- it is the record of one request, and both end with the response
  #ctx: CancelContext | undefined
  #route: Route | undefined
  #status = 0
  #failure: unknown
  #endedAt: number | undefined
  #endedBy: string | undefined
  #working = 0
  /** The answer that a handler has handed back to the middlewares in front. */
  #held: { readonly response: Response; readonly body: Body | Readable } | undefined
  #closed = false
  #left = false
  readonly #onEnd: OnEnd
  list: List<Exchange> | undefined
  previous: Exchange | undefined
  next: Exchange | undefined
  /**
   * Ends the connection of a client that has closed its own half, and so has left. Node itself would close the other half first,
   * and make an error with a stack. The socket goes first: otherwise the request would wait for the end of the socket.
   */
  readonly #onClientEnd = (): void => {
    if (!this.incoming.complete || this.#outgoing.headersSent) return
    this.incoming.socket.destroy()
    this.incoming.destroy()
  }

  /** @param onEnd called when the exchange has ended, perhaps more than once */
  constructor({ incoming, outgoing }: NodeEnv, client: Client, headers: HeadersByName, onEnd: OnEnd) {
    this.info = requestInfo(incoming, client)
    this.incoming = incoming
    this.#outgoing = outgoing
    this.headers = { 'x-request-id': this.info.id, ...headers }
    this.#onEnd = onEnd
    // The response closes when it has been sent or the connection breaks; the request would close once its body has been read.
    outgoing.on('close', () => this.#close())
    incoming.socket.on('end', this.#onClientEnd)
  }

  /** Node's response. The caller may write to it, so this first gives it the headers of every answer. */
  get outgoing(): ServerResponse {
    this.setHeaders()
    return this.#outgoing
  }

  /** Gives Node the headers of every answer, if it does not have them. */
  setHeaders(): void {
    const { headers } = this
    this.headers = undefined
    if (headers === undefined || this.#outgoing.headersSent) return
    for (const [name, value] of Object.entries(headers)) this.#outgoing.setHeader(name, value)
  }

  /** Undefined until the request has been routed or refused. */
  get ctx(): CancelContext | undefined {
    return this.#ctx
  }

  get route(): Route | undefined {
    return this.#route
  }

  /** When ctx ended before the exchange, in milliseconds of performance.now(); undefined if both ended together. */
  get endedAt(): number | undefined {
    return this.#endedAt
  }

  /** Whether a handler or a middleware is at work. */
  get working(): boolean {
    return this.#working > 0
  }

  /** Whether nobody reads what is written after: the response has ended, or the client has left. */
  get closed(): boolean {
    return this.#closed || this.#left
  }

  /** `route` answers the request; undefined if none does. */
  routed(route: Route | undefined): void {
    this.#route = route
    this.info.route = route?.path
  }

  /** The request has a context, which ends with the exchange, and its handler or its first middleware works under it. */
  started(ctx: CancelContext): void {
    this.#ctx = ctx
    this.#working++
    // The client may have left already: Node then ends the connection, and the response is closed a turn or two later.
    if (this.#closed || this.incoming.socket.writableEnded) this.#hangUp(ctx)
  }

  /** Middlewares may replace `response`, which was made of `body`. */
  handedBack(response: Response, body: Body | Readable): Response {
    this.#held = { response, body }
    return response
  }

  /** Returns the handler's own body if the middlewares have left it unread, which is cheaper to send; else `body`. */
  unread(body: Body): Body | Readable {
    if (this.#held === undefined || !(body instanceof ReadableStream) || isBegun(body)) return body
    return bodyOf(this.#held.response) === body ? this.#held.body : body
  }

  /** Whether the handler's answer went back through middlewares, which may have changed it. */
  get isHandedBack(): boolean {
    return this.#held !== undefined
  }

  /** Notes the status of the response. */
  answered(status: number): void {
    this.#status = status
  }

  /** Notes that a handler works behind a middleware, so that `settled` comes once more. */
  entered(): void {
    this.#working++
  }

  /** Notes that the request failed under ctx, its own or one derived from it. Only the log gets `failure`. */
  failed(ctx: Context, failure: unknown): void {
    this.#failure = failure
    this.#endedBy = causeName(ctx)
  }

  /** Notes that the context ended before the answer: from now on the handler counts as late. */
  cutShort(): void {
    this.#endedAt ??= performance.now()
  }

  /** The handler, or the first middleware, has returned or thrown. */
  settled(): void {
    this.#working--
    this.#endIfDone()
  }

  /** How the exchange ended, for its observers. */
  outcome(ctx: Context): Outcome {
    const ending = cause(ctx)
    const ended = (ending && causeName(ctx)) ?? this.#endedBy
    // unparsed.ts cancels the context of a request whose body is broken with the Problem that answers it.
    const name = this.#status === 499 ? 'ClientDisconnected' : ending instanceof Problem ? undefined : ended
    // If the context has ended, its cause says why the work failed.
    const failure = ended === undefined ? this.#failure : undefined
    return { route: this.info.route, status: this.#status, cause: name, failure }
  }

  #close(): void {
    this.#closed = true
    this.incoming.socket.off('end', this.#onClientEnd)
    const { errored, writableFinished } = this.#outgoing
    const ctx = this.#ctx
    // A response body that broke off has an error: the service has closed the connection, not the client.
    if (errored !== null && ctx?.err === undefined) {
      // With a Problem below 500 it is the client's fault, such as 408 for one that reads nothing.
      if (errored instanceof Problem && errored.status < 500) this.#status = errored.status
      else this.#failure ??= errored
    } else if (ctx !== undefined && !writableFinished) this.#hangUp(ctx)
    this.#endIfDone()
  }

  #hangUp(ctx: CancelContext): void {
    this.#left = true
    if (ctx.err === undefined) this.#status = 499
    if (this.#route?.hangUp === 'ignore') return
    this.cutShort()
    ctx.cancel(new ClientDisconnected())
  }

  #endIfDone(): void {
    if (this.#closed && this.#working === 0) this.#onEnd(this)
  }
}
