import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Context } from '../../context/context.ts'
import type { Guard } from './guard.ts'

/** A response whose body is a Node stream: it is piped under the request's context, and destroyed with it. */
export interface StreamedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[]>>
  /** If the headers have a `content-length` and the body another length, the connection closes and the log has an error. */
  readonly body: Readable
}

/** The request, for a handler that needs more than the parsed input. */
export interface IncomingRequest {
  /** As it was sent: `HEAD` where a route answers `GET`. */
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Alternates names and values, as they came; `headers` joins the values of one name, or has only the first. */
  readonly rawHeaders: readonly string[]
  /** The body as it arrives. Only for a route without a `body` schema: otherwise it has been read. */
  readonly body: Readable
  /** Sets a header of the answer, even if that is a problem. The answer's own header of that name wins. */
  setHeader(name: string, value: string): void
  /** Adds it to the headers of that name that are set already, for a header that is a list. */
  appendHeader(name: string, value: string): void
}

/** An answer of a route, for `/openapi.json`. */
export interface RouteResponse {
  readonly description: string
  /** Zod's core type: the compiler would compare `z.ZodType` method by method with each schema of each route. */
  readonly body?: z.core.$ZodType
  /** If the body is not JSON. */
  readonly contentType?: string
}

/** The input of a request, as the route's schemas parsed it. */
export interface Input<P, Q, B> {
  readonly params: P
  readonly query: Q
  readonly body: B
}

/** Where a route was defined, for messages. It is a property, so that a copy of the route (`{ ...route, … }`) has it too. */
const definedAt = Symbol('defined at')

/** One endpoint, as data: the boundary routes and validates by it, and `/openapi.json` documents it. */
export interface Route {
  /** V8 formats a stack only when it is read. */
  readonly [definedAt]?: { readonly stack?: string }
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/documents/:id` */
  readonly path: string
  readonly summary: string
  readonly tags: readonly string[]
  /** Milliseconds a request may take; `REQUEST_TIMEOUT_MS` if not given. A caller may ask for less, never for more. */
  readonly timeoutMs?: number
  /**
   * Whether a client that hangs up ends the request's context (the default). A write that must not stop half-way says
   * `ignore`; its deadline and the shutdown of the server still end it.
   */
  readonly hangUp?: 'cancel' | 'ignore'
  /** Asked in order before the body is read. Each gets the context that the previous one returned; the handler gets the last. */
  readonly guard?: Guard | readonly Guard[]
  readonly params?: z.core.$ZodType
  readonly query?: z.core.$ZodType
  /** Headers that the handler reads, and what each is for: for `/openapi.json`. */
  readonly headers?: Readonly<Record<string, string>>
  /** The schema of a JSON body, which is read up to `BODY_MAX_BYTES`. */
  readonly body?: z.core.$ZodType
  /** The multipart field whose files the handler reads from `request.body`; for `/openapi.json`. */
  readonly files?: string
  readonly responses: Readonly<Record<number, RouteResponse>>
  /** Logged at `debug` and left out of the page of contexts: for probes and the like. */
  readonly quiet?: boolean
  /** Returns the answer, or throws: a `Problem` if the client can fix the cause. ctx ends with the response. */
  handle(
    ctx: Context,
    input: Input<unknown, unknown, unknown>,
    request: IncomingRequest,
  ): Response | StreamedResponse | Promise<Response | StreamedResponse>
}

/** `GET /documents/:id (file:///…/documents.routes.ts:31:5)`, for the log. */
export function describeRoute(route: Route): string {
  const frame = route[definedAt]?.stack?.split('\n')[1]
  const place = /(?:\(|at )([^()]+:\d+:\d+)\)?$/.exec(frame ?? '')?.[1]
  return `${route.method} ${route.path}${place === undefined ? '' : ` (${place})`}`
}

type Parsed<S> = S extends z.core.$ZodType ? z.output<S> : undefined

/** A route whose handler gets its input in the types of the route's own schemas. */
export function route<P = undefined, Q = undefined, B = undefined>(
  definition: Omit<Route, 'params' | 'query' | 'body' | 'handle'> & {
    readonly params?: P
    readonly query?: Q
    readonly body?: B
    handle(
      ctx: Context,
      input: Input<Parsed<P>, Parsed<Q>, Parsed<B>>,
      request: IncomingRequest,
    ): Response | StreamedResponse | Promise<Response | StreamedResponse>
  },
): Route {
  const place: { stack?: string } = {}
  Error.captureStackTrace(place, route)
  // The boundary parses input with these very schemas before it calls handle.
  return { ...definition, [definedAt]: place } as unknown as Route
}
