import type { Context as HonoContext, Handler, Hono, MiddlewareHandler, Next } from 'hono'
import type { BlankSchema } from 'hono/types'
import { afterFunc, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { answer, fail } from './answer.ts'
import { failBehind } from './behind.ts'
import type { Guard } from './guard.ts'
import type { Env } from './handle.ts'
import { Incoming } from './request-info.ts'

/**
 * The app on which a team mounts middlewares and apps of Hono, in front of the routes. Each sees the request's context as
 * `c.var.ctx`, and may replace it by one that it derives: `c.set('ctx', …)`. What it throws is answered like a handler's error.
 */
export type App = Omit<Hono<Env>, 'onError' | 'notFound' | 'fetch' | 'request' | 'fire'>

/** How long a middleware may go on after its context has ended. */
const graceMs = 250

/** Makes a middleware of `guard` for a mounted app: the guards of routes.ts guard routes only. */
export function guardedBy(guard: Guard): MiddlewareHandler<Env> {
  return async (c, next) => {
    const ctx = await guard(c.var.ctx, new Incoming(c))
    c.set('ctx', ctx)
    await next()
  }
}

/**
 * Mounts the handlers of `mounted` on `app`, each in a wrapper. The first that a request meets calls `begin` for the request's
 * context, and sends the answer. A wrapper costs less than a middleware in front of all.
 */
export function mount(app: Hono<Env>, mounted: Hono<Env>, begin: (c: HonoContext<Env>) => Context): void {
  for (const route of mounted.routes) {
    const { method, path } = route
    const handler = route.handler as Handler<Env>
    route.handler = (c: HonoContext<Env>, next: Next): unknown => {
      const isFirst = c.env.ctx === undefined
      if (isFirst) c.set('ctx', begin(c))
      // A handler of a mounted app answers the request.
      if (method !== 'ALL' && c.env.route === undefined) c.env.info.route = path
      return isFirst ? callFirst(c.get('ctx'), c, handler, next) : handler(c, next)
    }
  }
  // Explicit types: to infer them, the compiler would compare each method of Hono with itself, a tenth of `npm run check`.
  app.route<'/', Env, BlankSchema, '/', '/'>('/', mounted)
}

/** Calls the first middleware, and sends the answer that it and all behind it have made. */
async function callFirst(
  ctx: Context,
  c: HonoContext<Env>,
  handler: Handler<Env>,
  next: Next,
): Promise<Response> {
  let sent: Response
  try {
    const returned = await untilLate(ctx, c, handler, next)
    if (returned instanceof Response && !c.finalized) c.res = returned
    if (!c.finalized) throw new TypeError('a middleware neither called next() nor returned a Response')
    // Its deadline has passed since a handler answered.
    if (ctx.err !== undefined && c.res.status < 400) throw ctx.err
    const answered = answer(ctx, c.env, c.res)
    sent = answered instanceof Promise ? await answered : answered
  } catch (error) {
    sent = await sendProblem(ctx, c, error)
  }
  // Hono copies the headers of the current Response to the next one, unless it is undefined.
  c.res = undefined
  // eslint-disable-next-line context/no-context-in-state -- it is the answer of this request alone
  c.res = sent
  return sent
}

/** Waits for a middleware, at most `graceMs` after the end of ctx. Until it returns, the exchange stays under way. */
function untilLate(ctx: Context, c: HonoContext<Env>, handler: Handler<Env>, next: Next): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const stop = afterFunc(ctx, (cause) => (timer = setTimeout(reject, graceMs, cause)))
    const settled = (): void => {
      stop()
      clearTimeout(timer)
      c.env.settled()
    }
    // eslint-disable-next-line context/no-unowned-work -- a stop waits for it: the exchange is under way until it settles
    call(c, handler, next).then(
      (returned) => {
        settled()
        resolve(returned)
      },
      (thrown: unknown) => {
        settled()
        reject(errorOf(thrown))
      },
    )
  })
}

/** Calls a handler, and rejects if it throws. An async function would make one more promise. */
function call(c: HonoContext<Env>, handler: Handler<Env>, next: Next): Promise<unknown> {
  try {
    const work: unknown = handler(c, next)
    return work instanceof Promise ? work : Promise.resolve(work)
  } catch (thrown) {
    return Promise.reject(errorOf(thrown))
  }
}

/** Sends the problem for `error`, with the headers that middlewares have set if it can be sent with them. */
async function sendProblem(ctx: Context, c: HonoContext<Env>, error: unknown): Promise<Response> {
  const exchange = c.env
  if (ctx.err !== undefined) exchange.cutShort()
  if (exchange.closed || exchange.outgoing.headersSent) return fail(ctx, exchange, error)
  try {
    return await answer(ctx, exchange, failBehind(ctx, c, error))
  } catch (unsendable) {
    return fail(ctx, exchange, unsendable)
  }
}
