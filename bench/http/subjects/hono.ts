import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'
import { timeout } from 'hono/timeout'
import { z } from 'zod'

const timeoutMs = 15_000

export function bare(): Promise<number> {
  return serve(new Hono().get('/hello', hello))
}

export function asyncHandler(): Promise<number> {
  return serve(
    new Hono().get('/hello', async (c) => {
      await Promise.resolve()
      return hello(c)
    }),
  )
}

/** Middlewares for the front of a route. */
export const middlewares = {
  empty: (): MiddlewareHandler => async (_c, next) => {
    await next()
  },
  cors: (): MiddlewareHandler => cors({ origin: 'https://app.example.com' }),
  secureHeaders: (): MiddlewareHandler => secureHeaders(),
}

export function behind(names: readonly (keyof typeof middlewares)[]): Promise<number> {
  const app = new Hono()
  for (const name of names) app.use(middlewares[name]())
  return serve(app.get('/hello', hello))
}

export function readsSignal(): Promise<number> {
  return serve(
    new Hono().get('/hello', (c) => {
      if (c.req.raw.signal.aborted) throw new Error('the client has left')
      return hello(c)
    }),
  )
}

/** The usual deadline: timeout() for the answer, and a separate signal for the work. */
export function timeoutAndController(): Promise<number> {
  return serve(
    new Hono()
      .use(timeout(timeoutMs))
      .use(async (_c, next) => {
        const controller = new AbortController()
        if (controller.signal.aborted) throw new Error('aborted before it began')
        await next()
      })
      .get('/hello', hello),
  )
}

/** The server's end, the client's and the deadline in one signal. */
export function anySignal(): Promise<number> {
  const server = new AbortController()
  return serve(
    new Hono()
      .use(async (c, next) => {
        const signal = AbortSignal.any([server.signal, c.req.raw.signal, AbortSignal.timeout(timeoutMs)])
        if (signal.aborted) throw new Error('aborted before it began')
        await next()
      })
      .get('/hello', hello),
  )
}

export function jsonBody(): Promise<number> {
  const Body = z.object({ hello: z.string().max(100), times: z.number().int() })
  return serve(new Hono().post('/hello', async (c) => c.json(Body.parse(await c.req.json()))))
}

export function hello(c: Context): Response {
  return c.json({ hello: 'world' })
}

/** Listens on a free port of 127.0.0.1. @returns the port */
export function serve(app: Pick<Hono, 'fetch'>): Promise<number> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
