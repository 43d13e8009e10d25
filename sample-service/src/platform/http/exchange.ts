import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { cause, type CancelContext, type Context } from '../../context/context.ts'
import type { Linked, List } from '../../context/list.ts'
import { causeName, ClientDisconnected } from '../causes.ts'
import { Problem } from '../problem.ts'
import type { Client, RequestInfo } from '../request.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import type { Body } from './answer-body.ts'
import type { NodeEnv } from './boundary.ts'
import { requestInfo } from './request-info.ts'
import type { Route } from './route.ts'

type HeadersByName = Record<string, string>
type OnEnd = (exchange: Exchange) => void

/**
 * One request and its response, from the first header to the last byte. It ends when the response is closed and nothing works
 * for it any more, whichever is last.
 */
export class Exchange implements Linked<Exchange> {
  readonly info: RequestInfo
  readonly incoming: IncomingMessage
  /** Milliseconds of performance.now(). */
  readonly startedAt = performance.now()
  /** The headers of every answer, by names in lower case; undefined once Node has them. */
  headers: HeadersByName | undefined
  /** The answer that the middlewares in front got, and the body that it was made of. They may send another. */
  handedBack: { readonly response: Response; readonly body: Body | Readable } | undefined
  list: List<Exchange> | undefined
  previous: Exchange | undefined
  next: Exchange | undefined
  readonly #outgoing: ServerResponse
  readonly #onEnd: OnEnd
  // eslint-disable-next-line context/no-context-in-state -- it is the record of one request, and both end with the response
  #ctx: CancelContext | undefined
  #route: Route | undefined
  /** How many handlers and middlewares are at work. */
  #working = 0
  #status = 0
  #failure: unknown
  /** The name of the cause that had ended the context under which the request failed. */
  #failedBy: string | undefined
  #cutShortAt: number | undefined
  #closed = false

  /** @param onEnd called when the exchange has ended, perhaps more than once */
  constructor({ incoming, outgoing }: NodeEnv, client: Client, headers: HeadersByName, onEnd: OnEnd) {
    this.info = requestInfo(incoming, client)
    this.incoming = incoming
    this.headers = { 'x-request-id': this.info.id, ...headers }
    this.#outgoing = outgoing
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

  /** Undefined until the request has been routed or refused. */
  get ctx(): CancelContext | undefined {
    return this.#ctx
  }

  get route(): Route | undefined {
    return this.#route
  }

  /** Whether a handler or a middleware is at work. */
  get working(): boolean {
    return this.#working > 0
  }

  /** When ctx ended before the exchange, in milliseconds of performance.now(); undefined if both ended together. */
  get cutShortAt(): number | undefined {
    return this.#cutShortAt
  }

  /** Whether nobody would read more of the response: it has ended, or the client has left. */
  get closed(): boolean {
    return this.#closed
  }

  /** `route` answers the request; undefined if none does. */
  routed(route: Route | undefined): void {
    this.#route = route
    this.info.route = route?.path
  }

  /** The request has a context, which ends with the exchange, and its handler or its first middleware works under it. */
  started(ctx: CancelContext): void {
    this.#ctx = ctx
    this.entered()
    // The client may have left already: Node then ends the connection, and the response is closed a turn or two later.
    if (this.incoming.socket.writableEnded) this.#closed = true
    if (this.#closed) this.#hangUp(ctx)
  }

  /** One more handler or middleware is at work, until `settled`. */
  entered(): void {
    this.#working++
  }

  /** A handler or a middleware has returned or thrown. */
  settled(): void {
    this.#working--
    this.#endIfDone()
  }

  /** The context has ended before the answer: from now on the handler counts as late. */
  cutShort(): void {
    this.#cutShortAt ??= performance.now()
  }

  /** The request failed under ctx, its own or one derived from it. Only the log gets `failure`. */
  failed(ctx: Context, failure: unknown): void {
    this.#failure = failure
    this.#failedBy = causeName(ctx)
  }

  /** The response has this status. */
  answered(status: number): void {
    this.#status = status
  }

  /** Gives Node the headers of every answer, if it does not have them. */
  setHeaders(): void {
    const { headers } = this
    this.headers = undefined
    if (headers === undefined || this.#outgoing.headersSent) return
    for (const [name, value] of Object.entries(headers)) this.#outgoing.setHeader(name, value)
  }

  /** How the exchange ended, for its observers. */
  outcome(ctx: Context): Outcome {
    const ending = cause(ctx)
    // A deadline that passes while the answer to a failure is sent does not change why it failed; a client that leaves does.
    const failedFirst = this.#failure !== undefined && !(ending instanceof ClientDisconnected)
    const endedBy = failedFirst ? this.#failedBy : causeName(ctx)
    const status = this.#status
    return {
      route: this.info.route,
      status,
      // refusal.ts cancels the context of a request whose body is broken with the Problem that answers it.
      cause: status === 499 ? 'ClientDisconnected' : ending instanceof Problem ? undefined : endedBy,
      // If the context has ended, its cause says why the work failed.
      failure: endedBy === undefined ? this.#failure : undefined,
    }
  }

  /**
   * Ends the connection of a client that has closed its own half, and so has left. Node itself would close the other half first,
   * and make an error with a stack. The socket is destroyed first: otherwise the request would wait for the end of the socket.
   */
  readonly #onClientEnd = (): void => {
    if (!this.incoming.complete || this.#outgoing.headersSent) return
    this.incoming.socket.destroy()
    this.incoming.destroy()
  }

  #close(): void {
    this.#closed = true
    this.incoming.socket.off('end', this.#onClientEnd)
    const ctx = this.#ctx
    const { errored, writableFinished } = this.#outgoing
    if (errored !== null && ctx?.err === undefined) this.#breakOff(errored)
    else if (!writableFinished && ctx !== undefined) this.#hangUp(ctx)
    this.#endIfDone()
  }

  /** The service has closed the connection, not the client: the body of the response broke off. */
  #breakOff(error: Error): void {
    // With a Problem below 500 it is the client's fault, such as 408 for one that reads nothing.
    if (error instanceof Problem && error.status < 500) this.#status = error.status
    else this.#failure ??= error
  }

  #hangUp(ctx: CancelContext): void {
    if (ctx.err === undefined) this.#status = 499
    if (this.#route?.hangUp === 'ignore') return
    this.cutShort()
    ctx.cancel(new ClientDisconnected())
  }

  #endIfDone(): void {
    if (this.#closed && this.#working === 0) this.#onEnd(this)
  }
}
