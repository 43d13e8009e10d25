import type { Context as HonoContext } from 'hono'
import { cause, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { answer, fail } from './answer.ts'
import { release } from './answer-body.ts'
import { answerBehind, failBehind } from './behind.ts'
import type { Exchange } from './exchange.ts'
import { clientLeft, recordFailure, thrownBy } from './failure.ts'
import { admit, guardsOf } from './guard.ts'
import { parseInput, queryOf, readJson, type BodyBudget } from './input.ts'
import { noteCall } from '../telemetry/started.ts'
import { Incoming } from './request-info.ts'
import { describeRoute, type Route } from './route.ts'

/** Hono's environment of a request is its exchange. */
export interface Env {
  Bindings: Exchange
}

declare module 'hono' {
  /** What every app of Hono that is mounted finds in `c.var`. */
  interface ContextVariableMap {
    // eslint-disable-next-line context/no-context-in-state -- Hono's own context of a request, which ends with it
    ctx: Context
  }
}

/** Where a handler's answer or failure goes. */
interface Outlet {
  answer(ctx: Context, c: HonoContext<Env>, returned: Returned): Response | Promise<Response>
  fail(ctx: Context, c: HonoContext<Env>, error: unknown): Response
}

type Returned = Awaited<ReturnType<Route['handle']>>

/** To the client. */
const sent: Outlet = {
  answer: (ctx, { env }, returned) => answer(ctx, env, returned),
  fail: (ctx, { env }, error) => fail(ctx, env, error),
}

/** To the middlewares in front; middleware.ts sends what comes out of them. */
const handedBack: Outlet = {
  answer: (_ctx, c, returned) => answerBehind(c, returned),
  fail(ctx, c, error) {
    // As Hono does, for a middleware that looks at c.error after next().
    c.error = errorOf(error)
    return failBehind(ctx, c, error)
  },
}

/**
 * Calls the route's handler under ctx, and answers with what it returns. For a handler that does not wait it makes no promise,
 * because a few promises cost more than the rest of a small request.
 */
export function handle(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodies: BodyBudget,
): Response | Promise<Response> {
  return respond(ctx, c, route, bodies, sent)
}

/** Does what `handle` does, behind middlewares, which may have replaced the request's context. */
export function handleBehind(
  c: HonoContext<Env>,
  route: Route,
  bodies: BodyBudget,
): Response | Promise<Response> {
  c.env.entered()
  return respond(c.get('ctx'), c, route, bodies, handedBack)
}

function respond(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodies: BodyBudget,
  outlet: Outlet,
): Response | Promise<Response> {
  const exchange = c.env
  // The deadline has passed or the client has left already: nobody would get the answer.
  if (ctx.err !== undefined) return failed(ctx, c, ctx.err, outlet)
  let work: ReturnType<Route['handle']>
  try {
    work = call(ctx, c, route, bodies)
  } catch (error) {
    return failed(ctx, c, error, outlet)
  }
  if (work instanceof Promise) return settle(ctx, c, work, outlet)
  exchange.settled()
  if (cause(ctx) !== undefined) return late(ctx, c, work, outlet)
  try {
    const answered = outlet.answer(ctx, c, work)
    if (!(answered instanceof Promise)) return answered
    return answered.catch((error: unknown) => broken(ctx, c, error, outlet))
  } catch (error) {
    return outlet.fail(ctx, c, error)
  }
}

/** Answers in place of what a handler returned after its deadline, while it kept the timer from firing. */
function late(ctx: Context, c: HonoContext<Env>, returned: Returned, outlet: Outlet): Response {
  release(returned)
  return outlet.fail(ctx, c, cause(ctx))
}

/** Answers a request whose handler did not run, or threw before it waited for anything. */
function failed(ctx: Context, c: HonoContext<Env>, error: unknown, outlet: Outlet): Response {
  const response = outlet.fail(ctx, c, error)
  c.env.settled()
  return response
}

/** Asks the guards, parses the request's input and calls the handler. @throws Problem 400, 413 or 415, or what these throw */
function call(
  ctx: Context,
  c: HonoContext<Env>,
  route: Route,
  bodies: BodyBudget,
): ReturnType<Route['handle']> {
  const { info } = c.env
  const request = new Incoming(c)
  const withBody = (ctx: Context, body: unknown): ReturnType<Route['handle']> => {
    const params = route.params && c.req.param()
    const query = route.query && queryOf(c.req)
    const input = parseInput(route, { params, query, body })
    noteCall(info, () => describeRoute(route))
    return route.handle(ctx, input, request)
  }
  const admitted = (ctx: Context): ReturnType<Route['handle']> => {
    if (route.body === undefined) return withBody(ctx, undefined)
    return readJson(ctx, request, bodies).then((body) => withBody(ctx, body))
  }
  if (route.guard === undefined) return admitted(ctx)
  const asked = admit(ctx, guardsOf(route), request)
  return asked instanceof Promise ? asked.then(admitted) : admitted(asked)
}

/** Answers when `work` settles or ctx ends, whichever is first. The exchange stays under way until `work` has settled. */
async function settle(
  ctx: Context,
  c: HonoContext<Env>,
  work: Promise<Returned>,
  outlet: Outlet,
): Promise<Response> {
  const exchange = c.env
  let failure: Error | undefined
  try {
    // eslint-disable-next-line context/no-unowned-work -- a stop waits for it: the exchange is under way until it settles
    work.then(
      (response) => {
        // The response comes too late to be sent, and its body may hold a file or a connection.
        if (ctx.err !== undefined) release(response)
        exchange.settled()
      },
      (thrown: unknown) => {
        failure = thrownBy(exchange, thrown)
        // Before `settled`, which ends the exchange if the client has left.
        if (!clientLeft(ctx)) recordFailure(ctx, exchange, failure)
        exchange.settled()
      },
    )
    const returned = await until(ctx, work)
    if (ctx.err !== undefined) return late(ctx, c, returned, outlet)
    return await outlet.answer(ctx, c, returned)
  } catch (error) {
    return broken(ctx, c, ctx.err === undefined ? (failure ?? error) : error, outlet)
  }
}

/** Answers with the failure of `until` or of the stream, and notes the end of ctx if that was the reason. */
function broken(ctx: Context, c: HonoContext<Env>, error: unknown, outlet: Outlet): Response {
  if (ctx.err !== undefined) c.env.cutShort()
  return outlet.fail(ctx, c, error)
}
