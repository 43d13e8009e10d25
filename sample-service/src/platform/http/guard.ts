import type { Context } from '../../context/context.ts'
import type { IncomingRequest, Route, RouteResponse } from './route.ts'

/**
 * Decides, before the body is read, whether a request may reach the handler of its route. It returns the context for the
 * handler: `ctx`, or one with another value, such as who is calling. It throws a `Problem` to refuse.
 */
export interface Guard {
  (ctx: Context, request: IncomingRequest): Context | Promise<Context>
  /** What `/openapi.json` says of a guarded route. */
  readonly documented?: GuardDocument
}

/** What a guard asks of a caller, for `/openapi.json`. */
export interface GuardDocument {
  /** Names of `schemes`, each with the scopes that are asked for. One of these requirements suffices. */
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  /** The `securitySchemes` of OpenAPI, by name. */
  readonly schemes?: Readonly<Record<string, object>>
  /** The answers with which the guard refuses. */
  readonly responses?: Readonly<Record<number, RouteResponse>>
  /** Scopes that the guard asks for, whichever of `security` the caller satisfies. */
  readonly scopes?: readonly string[]
  /** Headers that the guard reads, and what each is for. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A guard that `/openapi.json` tells of. */
export function documentedGuard(documented: GuardDocument, check: Guard): Guard {
  return Object.assign((ctx: Context, request: IncomingRequest) => check(ctx, request), { documented })
}

/** The guards of a route, in the order in which they are asked. */
export function guardsOf({ guard }: Pick<Route, 'guard'>): readonly Guard[] {
  return guard === undefined ? [] : typeof guard === 'function' ? [guard] : guard
}

/**
 * Returns `routes` behind `guards`, which are asked before the guards that a route has itself.
 * @param open the routes that stay as they are: `/livez`, or `GET /documents/:id` for one method
 * @throws Error if `open` names no route
 */
export function guarded(
  guards: readonly Guard[],
  open: readonly string[],
  routes: readonly Route[],
): Route[] {
  const names = (route: Route): string[] => [route.path, `${route.method} ${route.path}`]
  const unknown = open.find((name) => !routes.some((route) => names(route).includes(name)))
  if (unknown !== undefined) throw new Error(`routes.ts leaves '${unknown}' open, and no route has that path`)
  return routes.map((route) => {
    const stays = guards.length === 0 || names(route).some((name) => open.includes(name))
    return stays ? route : { ...route, guard: [...guards, ...guardsOf(route)] }
  })
}

/** @throws the Problem of the guard that refuses; TypeError if a guard returns no context */
export function admit(
  ctx: Context,
  guards: readonly Guard[],
  request: IncomingRequest,
): Context | Promise<Context> {
  const [guard, ...rest] = guards
  if (guard === undefined) return ctx
  const admitted = guard(ctx, request)
  return admitted instanceof Promise
    ? admitted.then((ctx) => admitNext(ctx, rest, request))
    : admitNext(admitted, rest, request)
}

function admitNext(
  ctx: Context,
  guards: readonly Guard[],
  request: IncomingRequest,
): Context | Promise<Context> {
  if (isContext(ctx)) return admit(ctx, guards, request)
  throw new TypeError('a guard returned no context: return ctx, or a context derived from it')
}

/** In JavaScript a guard may return anything, or nothing. */
function isContext(returned: unknown): boolean {
  return typeof returned === 'object' && returned !== null && 'signal' in returned
}

/** What all guards of a route ask of a caller, who must satisfy each guard by one of that guard's requirements. */
export function documentOf(route: Pick<Route, 'guard'>): Required<Omit<GuardDocument, 'scopes'>> {
  const all = guardsOf(route).map(({ documented }) => documented ?? {})
  const asked = all.flatMap(({ security }) => (security === undefined ? [] : [security]))
  const [first = [], ...others] = asked
  const scopes = all.flatMap(({ scopes = [] }) => scopes)
  const security = others.reduce(
    (one, other) => one.flatMap((a) => other.map((b) => ({ ...a, ...b }))),
    first,
  )
  return {
    security: security.map((requirement) =>
      Object.fromEntries(Object.entries(requirement).map(([name, own]) => [name, [...own, ...scopes]])),
    ),
    schemes: merged(all.map(({ schemes = {} }) => schemes)),
    responses: merged(all.map(({ responses = {} }) => responses)),
    headers: merged(all.map(({ headers = {} }) => headers)),
  }
}

function merged<T>(records: readonly Readonly<Record<string, T>>[]): Readonly<Record<string, T>> {
  return Object.fromEntries(records.flatMap((record) => Object.entries(record)))
}
