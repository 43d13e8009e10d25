import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { getConnInfo } from '@hono/node-server/conninfo'
import { Hono, type Context as HonoContext } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { bearerAuth } from 'hono/bearer-auth'
import { bodyLimit } from 'hono/body-limit'
import { every, except, some } from 'hono/combine'
import { compress } from 'hono/compress'
import { contextStorage } from 'hono/context-storage'
import { cors } from 'hono/cors'
import { csrf } from 'hono/csrf'
import { etag } from 'hono/etag'
import { HTTPException } from 'hono/http-exception'
import { ipRestriction } from 'hono/ip-restriction'
import { jwt } from 'hono/jwt'
import { logger } from 'hono/logger'
import { methodOverride } from 'hono/method-override'
import { poweredBy } from 'hono/powered-by'
import { prettyJSON } from 'hono/pretty-json'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import { timeout } from 'hono/timeout'
import { timing } from 'hono/timing'
import { trimTrailingSlash } from 'hono/trailing-slash'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { contextKey, withTimeout, withValue } from '../../../src/context/context.ts'
import { sleep } from '../../../src/context/sleep.ts'
import type { App } from '../../../src/platform/http/middleware.ts'
import { route, type Route } from '../../../src/platform/http/route.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import { insufficientStorage, Problem } from '../../../src/platform/problem.ts'
import { requestOf } from '../../../src/platform/request.ts'
import { readFiles } from '../../../src/platform/uploads/multipart.ts'
import { routes as probes } from '../../support/probe.routes.ts'

export { guards, headers, open } from '../../support/probe.routes.ts'

export const secret = 'a secret of the tests'
const greeting = contextKey<string>('greeting')
const responses = { 200: { description: 'Done' } }
const tags = ['probe']
const text = 'The quick brown fox jumps over the lazy dog. '.repeat(50)

/** The apps that are mounted in front of /on/NAME/…, by name. Each path has the same routes behind its app. */
const apps: Readonly<Record<string, (app: Hono) => void>> = {
  cors: (app) => app.use(cors({ origin: 'https://app.example.com' })),
  'secure-headers': (app) => app.use(secureHeaders()),
  compress: (app) => app.use(compress({ threshold: 1 })),
  etag: (app) => app.use(cors(), etag()),
  bearer: (app) => app.use(bearerAuth({ token: 'letmein' })),
  jwt: (app) => app.use(jwt({ secret, alg: 'HS256' })),
  ip: (app) => app.use(ipRestriction(getConnInfo, { allowList: ['127.0.0.1'] })),
  'ip-elsewhere': (app) => app.use(ipRestriction(getConnInfo, { allowList: ['10.0.0.1'] })),
  'ip-of-client': (app) =>
    app.use(ipRestriction((c) => requestOf(c.var.ctx)?.client?.address ?? '', { allowList: ['192.0.2.7'] })),
  limit: (app) => app.use(bodyLimit({ maxSize: 100 })),
  basic: (app) => app.use(basicAuth({ username: 'ann', password: 'letmein' })),
  csrf: (app) => app.use(csrf()),
  logger: (app) => app.use(logger(() => undefined)),
  override: (app) => app.use(methodOverride({ app })),
  powered: (app) => app.use(poweredBy()),
  pretty: (app) => app.use(prettyJSON()),
  'request-id': (app) => app.use(requestId({ generator: (c) => requestOf(c.var.ctx)?.id ?? '' })),
  storage: (app) => app.use(contextStorage()),
  timeout: (app) => app.use(timeout(60_000)),
  timing: (app) => app.use(timing()),
  slash: (app) => app.use(trimTrailingSlash()),
  combined: (app) =>
    app.use(
      some(
        bearerAuth({ token: 'letmein' }),
        every(ipRestriction(getConnInfo, { allowList: ['127.0.0.1'] }), except('*/none', poweredBy())),
      ),
    ),
  own: (app) =>
    app.use(async (c, next) => {
      const { ctx } = c.var
      c.set('ctx', withValue(ctx, greeting, `${requestOf(ctx)?.method ?? ''} from the middleware`))
      c.header('x-before', 'before')
      await next()
      c.res.headers.set('x-after', 'after')
    }),
  short: (app) =>
    app.use(async (c, next) => {
      using ctx = withTimeout(c.var.ctx, 100)
      c.set('ctx', ctx)
      await next()
    }),
  long: (app) =>
    app.use(async (c, next) => {
      using ctx = withTimeout(c.var.ctx, 60_000)
      c.set('ctx', ctx)
      await next()
    }),
  answers: (app) => app.use((c) => Promise.resolve(c.json({ by: 'the middleware' }, 203))),
  reads: (app) =>
    app.use(async (c, next) => {
      await c.req.text()
      await next()
    }),
  'large-limit': (app) => app.use(bodyLimit({ maxSize: 2_000_000 })),
  'reads-raw': (app) =>
    app.use(async (c, next) => {
      await c.req.raw.text()
      await next()
    }),
  'reads-clone': (app) =>
    app.use(async (c, next) => {
      await c.req.raw.clone().text()
      await next()
    }),
  'looks-at': (app) =>
    app.use(async (c, next) => {
      c.header('x-redirect', c.req.raw.redirect)
      await next()
    }),
  parses: (app) =>
    app.use(async (c, next) => {
      await c.req.parseBody()
      await next()
    }),
  twice: (app) =>
    app.use(async (_c, next) => {
      await next()
      await next()
    }),
  replaces: (app) =>
    app.use(async (c, next) => {
      await next()
      c.res = new Response('replaced', { status: 202 })
    }),
  'returns-after': (app) =>
    app.use(async (c, next) => {
      await next()
      return c.text('too late')
    }),
  'tells-error': (app) =>
    app.use(async (c, next) => {
      await next()
      c.res.headers.set('x-error', c.error?.name ?? 'none')
    }),
  silent: (app) => app.use(async () => undefined),
  'throws-before': (app) => app.use(outermost, (c) => Promise.reject(thrown(c))),
  'throws-after': (app) =>
    app.use(outermost, async (c, next) => {
      await next()
      throw thrown(c)
    }),
  waits: (app) =>
    app.use(outermost, async (c, next) => {
      await sleep(c.var.ctx, 60_000)
      await next()
    }),
  deaf: (app) =>
    app.use(outermost, async (_c, next) => {
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      await next()
    }),
}

const outermost = async (c: HonoContext, next: () => Promise<void>): Promise<void> => {
  c.res.headers.set('x-early', 'early')
  await next()
  c.res.headers.set('x-late', 'late')
}

function thrown(c: HonoContext): Error {
  const what = c.req.query('throws')
  if (what === 'problem') return new Problem(418, 'Teapot', 'it is one', { headers: { 'x-problem': 'yes' } })
  if (what === 'hono') return new HTTPException(402, { message: 'pay first' })
  if (what === 'value') return 'no error' as unknown as Error
  return new Error('the secret of the inside')
}

/** A team's existing app. */
function legacy(platform: Platform): Hono {
  const app = new Hono()
  app.get('/users/:id', (c) => c.json({ id: c.req.param('id'), request: requestOf(c.var.ctx)?.id }))
  app.post('/users', async (c) => c.json(await c.req.json(), 201))
  app.get('/query', async (c) => {
    await platform.db.run(c.var.ctx, (q) => q.execute(sql`select pg_sleep(60)`))
    return c.text('done')
  })
  app.get('/events', (c) =>
    streamSSE(c, async (stream) => {
      while (!stream.aborted) {
        await stream.writeSSE({ data: 'tick' })
        await stream.sleep(10)
      }
    }),
  )
  app.get('/fails', () => {
    throw new Error('the secret of the inside')
  })
  return app
}

/** An app that answers its errors itself. */
function withOwnErrors(): Hono {
  const app = new Hono()
  app.onError((error, c) => {
    if (c.var.ctx.err !== undefined) throw error
    return c.json({ own: error.message }, 418)
  })
  app.use(async (c, next) => {
    c.header('x-own', 'yes')
    await next()
  })
  app.get('/fails', () => {
    throw new Error('an error of its own')
  })
  app.get('/waits', async (c) => {
    await sleep(c.var.ctx, 60_000)
    return c.text('done')
  })
  return app
}

export function middlewares(app: App, platform: Platform): void {
  for (const [name, mount] of Object.entries(apps)) {
    const mounted = new Hono()
    mount(mounted)
    app.route(`/on/${name}`, mounted)
  }
  app.route('/v2', legacy(platform))
  app.route('/v3', withOwnErrors())
}

/** The service's own probes, and the same routes behind each middleware. */
export function routes(platform: Platform): Route[] {
  return [...probes(platform), ...['', ...Object.keys(apps)].flatMap((name) => behind(platform, name))]
}

let openStreams = 0

function behind({ db }: Platform, name: string): Route[] {
  const at = (rest: string): string => `/on/${name}/${rest}`
  return [
    route({
      method: 'GET',
      path: at('text'),
      summary: 'Answers with text',
      tags,
      responses,
      handle: (ctx) => new Response(`${ctx.value(greeting) ?? ''}${text}`),
    }),
    route({
      method: 'GET',
      path: at('tagged'),
      summary: 'Answers with an ETag of its own',
      tags,
      responses,
      handle: () => Response.json({ text }, { headers: { etag: '"1"' } }),
    }),
    route({
      method: 'GET',
      path: at('stream'),
      summary: 'Answers with a stream',
      tags,
      responses,
      handle: () => ({
        status: 200,
        headers: { 'content-type': 'text/plain', 'content-length': String(text.length) },
        body: Readable.from([text.slice(0, 9), Buffer.from(text.slice(9))]),
      }),
    }),
    route({
      method: 'GET',
      path: at('range'),
      summary: 'Answers with a part of a stream',
      tags,
      responses,
      handle: () => ({
        status: 206,
        headers: {
          'content-type': 'text/plain',
          'content-length': '8',
          'content-range': `bytes 35-42/${text.length}`,
          etag: '"1"',
        },
        body: Readable.from([text.slice(35, 43)]),
      }),
    }),
    route({
      method: 'GET',
      path: at('endless'),
      summary: 'Streams without end',
      tags,
      responses,
      handle: () => {
        openStreams++
        const body = Readable.from(
          (async function* () {
            try {
              for (;;) {
                yield text
                await new Promise((resolve) => setTimeout(resolve, 10))
              }
            } finally {
              openStreams--
            }
          })(),
        )
        return { status: 200, headers: { 'content-type': 'text/plain' }, body }
      },
    }),
    route({
      method: 'GET',
      path: at('open-streams'),
      summary: 'Counts the endless streams that are open',
      tags,
      responses,
      handle: () => Response.json(openStreams),
    }),
    route({
      method: 'GET',
      path: at('fails'),
      summary: 'Fails',
      tags,
      responses,
      handle: () => {
        throw new Error('the secret of the inside')
      },
    }),
    route({
      method: 'GET',
      path: at('closes'),
      summary: 'Fails, and closes its connection',
      tags,
      responses,
      handle: () => Promise.reject(insufficientStorage('it is full', undefined)),
    }),
    route({
      method: 'GET',
      path: at('query'),
      summary: 'Waits inside Postgres',
      tags,
      responses,
      handle: async (ctx) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(60)`))
        return Response.json({})
      },
    }),
    route({
      method: 'POST',
      path: at('json'),
      summary: 'Answers with its body',
      tags,
      body: z.unknown(),
      responses,
      handle: (_ctx, { body }) => Response.json(body),
    }),
    route({
      method: 'POST',
      path: at('upload'),
      summary: 'Reads a file',
      tags,
      files: 'file',
      responses,
      handle: async (ctx, _input, request) => {
        const files: Promise<[name: string, bytes: number]>[] = []
        const limits = { timeoutMs: 60_000, stallMs: 60_000, maxBytes: 2_000_000, maxFiles: 1, workers: 1 }
        await readFiles(ctx, request, { field: 'file', limits }, ({ name, content }) => {
          files.push(buffer(content).then(({ length }) => [name, length]))
        })
        return Response.json(await Promise.all(files))
      },
    }),
  ]
}
