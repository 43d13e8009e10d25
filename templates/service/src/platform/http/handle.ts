import type { Context as HonoContext } from 'hono'
import type { Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { answer, fail, recordFailure, thrownBy } from './answer.ts'
import { release } from './answer-body.ts'
import type { Exchange } from './exchange.ts'
import { parseInput, queryOf, readJson, type BodyBudget } from './input.ts'
import { noteCall } from '../telemetry/started.ts'
import { describeRoute, type Route } from './route.ts'

/** Hono's environment of a request is its exchange. */
export interface Env {
  Bindings: Exchange
}

/**
 * Calls the route's handler under ctx, and answers with what it returns. A handler that does not wait costs no promise: a few
 * promises cost more than the rest of a small request.
 */
export function handle(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodies: BodyBudget,
): Response | Promise<Response> {
  const exchange = c.env
  // The deadline has passed or the client has left already: nobody would get the answer.
  if (ctx.err !== undefined) return refused(ctx, exchange, ctx.err)
  try {
    const work = call(ctx, c, route, bodies)
    if (work instanceof Promise) return settle(ctx, exchange, work)
    exchange.settled()
    const sent = answer(ctx, exchange, work)
    return sent instanceof Promise ? sent.catch((error: unknown) => broken(ctx, exchange, error)) : sent
  } catch (error) {
    return refused(ctx, exchange, error)
  }
}

/** Answers with the failure of a request whose handler is not at work. */
export function refused(ctx: Context, exchange: Exchange, error: unknown): Response {
  const response = fail(ctx, exchange, error)
  exchange.settled()
  return response
}

/** Parses the request's input and calls the handler. @throws Problem 400, 413 or 415, or what the handler throws */
function call(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodies: BodyBudget,
): ReturnType<Route['handle']> {
  const { incoming, info } = c.env
  const withBody = (body: unknown): ReturnType<Route['handle']> => {
    const params = route.params && c.req.param()
    const query = route.query && queryOf(c.req)
    const input = parseInput(route, { params, query, body })
    noteCall(info, () => describeRoute(route))
    return route.handle(ctx, input, { method: info.method, headers: incoming.headers, body: incoming })
  }
  return route.body === undefined ? withBody(undefined) : readJson(ctx, incoming, bodies).then(withBody)
}

/** Answers when `work` settles or ctx ends, whichever is first. The exchange stays under way until `work` has settled. */
async function settle(
  ctx: Context,
  exchange: Exchange,
  work: Promise<Awaited<ReturnType<Route['handle']>>>,
): Promise<Response> {
  let failure: Error | undefined
  try {
    // eslint-disable-next-line context/no-unowned-work -- a stop waits for it: the exchange is under way until it settles
    work.then(
      (response) => {
        // Too late to be sent; its body may hold a file or a connection.
        if (ctx.err !== undefined) release(response)
        exchange.settled()
      },
      (thrown: unknown) => {
        failure = thrownBy(exchange, thrown)
        // Before `settled`, which ends the exchange if the client has left.
        recordFailure(ctx, exchange, failure)
        exchange.settled()
      },
    )
    return await answer(ctx, exchange, await until(ctx, work))
  } catch (error) {
    return broken(ctx, exchange, ctx.err === undefined ? (failure ?? error) : error)
  }
}

/** Answers with the failure of `until` or of the stream. If ctx has ended, it ended just now. */
function broken(ctx: Context, exchange: Exchange, error: unknown): Response {
  if (ctx.err !== undefined) exchange.cutShort()
  return fail(ctx, exchange, error)
}
