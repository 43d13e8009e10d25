import type { Context as HonoContext, Handler, Hono, Next } from 'hono'
import { withoutCancel, withTimeout, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { answer, fail } from './answer.ts'
import { failBehind } from './behind.ts'
import type { Env } from './handle.ts'

/**
 * Where a team mounts middlewares and apps of Hono, in front of the routes. Each sees the request's context as `c.var.ctx`, and may
 * put one derived from it in its place: `c.set('ctx', …)`. What it throws is answered as what a handler throws.
 */
export type App = Omit<Hono<Env>, 'onError' | 'notFound' | 'fetch' | 'request' | 'fire'>

/** Once the context has ended, how long a middleware may take to end too. */
const graceMs = 250

/**
 * Mounts on `app` what `mounted` has. The first handler of it that a request meets gets the request's context from `begin`, and
 * sends what comes out of it: a wrapper costs less than a middleware before all others.
 */
export function mount(app: Hono<Env>, mounted: Hono<Env>, begin: (c: HonoContext<Env>) => Context): void {
  for (const route of mounted.routes) {
    const { method, path } = route
    const handler = route.handler as Handler<Env>
    route.handler = (c: HonoContext<Env>, next: Next): unknown => {
      const ctx = c.env.ctx === undefined ? begin(c) : undefined
      if (method !== 'ALL') c.env.reached(path)
      return ctx === undefined ? handler(c, next) : inFront(ctx, c, next, handler)
    }
  }
  app.route('/', mounted)
}

/** Calls the first middleware, and sends the answer that it and all behind it have made. */
async function inFront(
  ctx: Context,
  c: HonoContext<Env>,
  next: Next,
  handler: Handler<Env>,
): Promise<Response> {
  c.set('ctx', ctx)
  const sent = await send(ctx, c, run(c, next, handler))
  // Hono adds the headers of the Response before to a new one, unless there is none.
  c.res = undefined
  c.res = sent
  return sent
}

async function run(c: HonoContext<Env>, next: Next, handler: Handler<Env>): Promise<void> {
  try {
    const returned: unknown = await handler(c, next)
    if (returned instanceof Response && !c.finalized) c.res = returned
  } finally {
    c.env.settled()
  }
}

/** Sends the answer when `work` has made it, or ctx has ended. */
async function send(ctx: Context, c: HonoContext<Env>, work: Promise<void>): Promise<Response> {
  const exchange = c.env
  try {
    await ended(ctx, work)
    if (!c.finalized) throw new TypeError('a middleware neither called next() nor returned a Response')
    // Its deadline has passed since a handler answered.
    if (ctx.err !== undefined && c.res.status < 400) throw ctx.err
    return await answer(ctx, exchange, c.res)
  } catch (error) {
    if (ctx.err !== undefined) exchange.cutShort()
    if (exchange.closed || exchange.outgoing.headersSent) return fail(ctx, exchange, error)
    try {
      return await answer(ctx, exchange, failBehind(ctx, c, error))
    } catch (unsendable) {
      return fail(ctx, exchange, unsendable)
    }
  }
}

/** Waits until `work` has ended. It ends with ctx; if it does not, it is left. */
async function ended(ctx: Context, work: Promise<void>): Promise<void> {
  try {
    await until(ctx, work)
  } catch (error) {
    if (ctx.err === undefined) throw error
    using last = withTimeout(withoutCancel(ctx), graceMs)
    await until(last, work)
  }
}
