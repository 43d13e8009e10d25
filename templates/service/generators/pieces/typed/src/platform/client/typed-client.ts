import { z } from 'zod'
import type { Context } from '../../context/context.ts'
import type { Answer, Client } from './client.ts'
import type { Call } from './order.ts'

type Method = 'get' | 'put' | 'post' | 'delete' | 'patch'
/** The statuses of a success with a body. */
type Success = 200 | 201 | 202 | 203 | 206 | '2XX'
/** The media types of an answer that mean JSON. */
type Media = `application/json${string}` | `${string}+json${string}` | '*/*'

/** The paths of a document that have the method. */
type PathsWith<Paths, M extends Method> = {
  [P in keyof Paths]: M extends keyof Paths[P] ? (Paths[P][M] extends object ? P : never) : never
}[keyof Paths] &
  string

type Operation<Paths, M extends Method, P extends keyof Paths> = M extends keyof Paths[P]
  ? Paths[P][M]
  : never

/** The statuses whose answers are successes: `default` where the document names no other. */
type Successes<R> = [keyof R & (Success | 204 | 205)] extends [never]
  ? keyof R & 'default'
  : keyof R & Success

/** The JSON of every success that the document has. */
type JsonOf<O> = O extends { responses: infer R }
  ? { [S in Successes<R>]: R[S] extends { content: infer C } ? C[keyof C & Media] : never }[Successes<R>]
  : never

type ParameterOf<O, In extends string> = O extends { parameters: infer P }
  ? In extends keyof P
    ? P[In]
    : never
  : never

type BodyOf<O> = O extends { requestBody?: { content: infer C } }
  ? C[keyof C & `application/json${string}`] | (O extends { requestBody: object } ? never : undefined)
  : undefined

/** A property that is required, optional or absent, as in the document. */
type Given<Name extends string, Value> = [Value] extends [undefined]
  ? unknown
  : undefined extends Value
    ? { readonly [N in Name]?: NonNullable<Value> }
    : { readonly [N in Name]: Value }

/** What a call of the operation sends, and its limits. */
type InputOf<O> = Given<'path', ParameterOf<O, 'path'>> &
  Given<'query', ParameterOf<O, 'query'>> &
  Given<'headers', ParameterOf<O, 'header'>> &
  Given<'cookies', ParameterOf<O, 'cookie'>> &
  Given<'body', BodyOf<O>> &
  Pick<Call, 'timeoutMs' | 'repeatable'>

/** The input may be left out if nothing in it is required. */
type Arguments<Input> = object extends Input ? [input?: Input] : [input: Input]

/**
 * Calls another service with the types of its OpenAPI document, `Paths` as openapi-typescript writes them. Context, deadline,
 * retries, breaker and errors are those of `Client`. Nothing checks that the other service keeps to the types, unless a call has
 * `schema`. Parameters are sent in OpenAPI's default styles, whatever the document says, since the types do not contain the
 * style: a list in the query as one parameter for each value, elsewhere with commas. A body must be JSON.
 */
export interface TypedClient<Paths> {
  /** Returns the JSON of the answer. */
  json<M extends Method, P extends PathsWith<Paths, M>>(
    ctx: Context,
    method: M,
    path: P,
    ...input: Arguments<
      InputOf<Operation<Paths, M, P>> & { readonly schema?: z.ZodType<JsonOf<Operation<Paths, M, P>>> }
    >
  ): Promise<JsonOf<Operation<Paths, M, P>>>
  /** Makes the call, and discards the body of the answer. */
  send<M extends Method, P extends PathsWith<Paths, M>>(
    ctx: Context,
    method: M,
    path: P,
    ...input: Arguments<InputOf<Operation<Paths, M, P>>>
  ): Promise<void>
  /** Returns the answer as it arrives, for a body that is not JSON. */
  fetch<M extends Method, P extends PathsWith<Paths, M>>(
    ctx: Context,
    method: M,
    path: P,
    ...input: Arguments<InputOf<Operation<Paths, M, P>>>
  ): Promise<Answer>
}

/** An input without the types of its operation. */
interface Untyped extends Pick<Call, 'timeoutMs' | 'repeatable'> {
  readonly path?: Readonly<Record<string, unknown>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, unknown>>
  readonly cookies?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  readonly schema?: z.ZodType
}

/** Gives `client` the types of a document. */
export function typedClient<Paths>(client: Client): TypedClient<Paths> {
  const typed = {
    json: async (ctx: Context, method: Method, path: string, input: Untyped = {}) =>
      client.json(ctx, targetOf(path, input), input.schema ?? z.unknown(), callOf(method, input)),
    send: async (ctx: Context, method: Method, path: string, input: Untyped = {}) => {
      await client.text(ctx, targetOf(path, input), callOf(method, input))
    },
    fetch: async (ctx: Context, method: Method, path: string, input: Untyped = {}) =>
      client.fetch(ctx, targetOf(path, input), callOf(method, input)),
  }
  // The types of a call are checked where it is written; here every operation is the same.
  return typed as TypedClient<Paths>
}

/** The path with its parameters filled in, and the query. */
function targetOf(template: string, { path = {}, query = {} }: Untyped): string {
  const filled = template.replace(/\{([^{}]+)\}/g, (_part, name: string) => {
    const values = textsOf(path[name])
    if (values.join('') === '') throw new TypeError(`${template}: expected a value for ${name}`)
    return values.map(encodeURIComponent).join(',')
  })
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of textsOf(value)) search.append(name, one)
  }
  return search.size === 0 ? filled : `${filled}?${search.toString()}`
}

function callOf(method: Method, { headers = {}, cookies = {}, body, timeoutMs, repeatable }: Untyped): Call {
  const cookie = given(cookies).map(([name, values]) => `${name}=${values.map(encodeURIComponent).join(',')}`)
  return {
    method,
    headers: {
      ...Object.fromEntries(given(headers).map(([name, values]) => [name, values.join(',')])),
      ...(cookie.length > 0 && { cookie: cookie.join('; ') }),
    },
    ...(body !== undefined && { json: body }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(repeatable !== undefined && { repeatable }),
  }
}

/** The defined values, by name. */
function given(named: Readonly<Record<string, unknown>>): [name: string, values: string[]][] {
  return Object.entries(named).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, textsOf(value)] satisfies [string, string[]]],
  )
}

/** The values of a parameter: none if it is undefined, several of a list. */
function textsOf(value: unknown): string[] {
  return [value].flat().flatMap((one) => (one === undefined ? [] : [text(one)]))
}

/** @throws TypeError for a value that a parameter cannot hold */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value)
  throw new TypeError(`expected a string, a number or a boolean as a parameter, got ${typeof value}`)
}
