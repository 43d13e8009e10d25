import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../../src/context/context.ts'
import { ended } from '../../src/context/ended.ts'
import { group } from '../../src/context/group.ts'
import { sleep } from '../../src/context/sleep.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { notFound } from '../../src/platform/problem.ts'
import { route, type Route, type StreamedResponse } from '../../src/platform/http/route.ts'
import { routes as own } from '../../src/routes.ts'

export { guards, headers, middlewares, open } from '../../src/routes.ts'

const Seconds = z.object({ seconds: z.coerce.number().min(0).max(60) })
const probe = { method: 'GET', tags: ['probe'], responses: { 200: { description: 'Done' } } } as const

/** The service's routes, and routes that wait, fail or misbehave as the guarantees require. */
export function routes(platform: Platform): Route[] {
  const { db } = platform

  async function sleepInside(ctx: Context, seconds: number): Promise<Response> {
    await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
    return Response.json({ slept: seconds })
  }

  return [
    ...own(platform),
    route({
      ...probe,
      path: '/probe/query',
      summary: 'Waits inside Postgres',
      query: Seconds,
      handle: (ctx, { query }) => sleepInside(ctx, query.seconds),
    }),
    route({
      ...probe,
      method: 'POST',
      path: '/probe/query',
      summary: 'Waits inside Postgres, when its body has been read',
      body: Seconds,
      handle: (ctx, { body }) => sleepInside(ctx, body.seconds),
    }),
    route({
      ...probe,
      method: 'POST',
      path: '/probe/unread',
      summary: 'Waits inside Postgres, and never reads its body',
      query: Seconds,
      handle: (ctx, { query }) => sleepInside(ctx, query.seconds),
    }),
    route({
      ...probe,
      method: 'POST',
      path: '/probe/write',
      summary: 'Waits inside Postgres, and is not cancelled by a client that hangs up; may fail then',
      query: Seconds.extend({ fails: z.stringbool().default(false) }),
      hangUp: 'ignore',
      handle: async (ctx, { query }) => {
        const response = await sleepInside(ctx, query.seconds)
        if (query.fails) throw new Error('the write has failed')
        return response
      },
    }),
    route({
      ...probe,
      path: '/probe/transaction',
      summary: 'Tells the statement_timeout inside a transaction',
      handle: async (ctx) => {
        const { rows } = await db.transaction(ctx, (q) =>
          q.execute(
            sql`select (extract(epoch from current_setting('statement_timeout')::interval) * 1000)::int as ms`,
          ),
        )
        return Response.json({ statementTimeoutMs: rows[0]?.['ms'] })
      },
    }),
    route({
      ...probe,
      method: 'POST',
      path: '/probe/echo',
      summary: 'Answers with its validated body',
      query: z.object({ times: z.coerce.number().int().max(3).default(1) }),
      body: z.object({ text: z.string().max(100_000) }),
      handle: (_ctx, { body, query }) => Response.json({ text: body.text.repeat(query.times) }),
    }),
    route({
      ...probe,
      path: '/probe/deaf',
      summary: 'Does not listen to its context',
      query: Seconds,
      handle: async (_ctx, { query }) => {
        await delay(query.seconds * 1_000)
        return Response.json({ slept: query.seconds })
      },
    }),
    route({
      ...probe,
      path: '/probe/stream',
      summary: 'Streams one byte every 20 ms',
      query: Seconds,
      handle: (ctx, { query }) => text(dots(query.seconds * 50, () => sleep(ctx, 20))),
    }),
    route({
      ...probe,
      path: '/probe/file',
      summary: 'Streams a file, which it looks for without listening to its context',
      query: Seconds.extend({ path: z.string() }),
      handle: async (_ctx, { query }) => {
        await delay(query.seconds * 1_000)
        return text(createReadStream(query.path))
      },
    }),
    route({
      ...probe,
      path: '/probe/broken-stream',
      summary: 'Streams, and fails in the middle',
      query: z.object({ of: z.enum(['node', 'web']) }),
      handle: (_ctx, { query }) => {
        const body = Readable.from(broken())
        return query.of === 'node' ? text(body) : new Response(ReadableStream.from(body))
      },
    }),
    route({
      ...probe,
      path: '/probe/deaf-stream',
      summary: 'Streams one byte every 20 ms, and does not listen to its context',
      handle: () => text(dots(1_000, () => delay(20))),
    }),
    route({
      ...probe,
      path: '/probe/rows',
      summary: 'Streams rows as they come out of Postgres',
      query: z.object({ count: z.coerce.number().int() }),
      handle: (ctx, { query }) => ({
        status: 200,
        headers: { 'content-type': 'application/x-ndjson' },
        body: Readable.from(
          lines(
            db.stream(ctx, (q) =>
              q.select({ n: sql<number>`n` }).from(sql`generate_series(1, ${query.count}::int) n`),
            ),
          ),
        ),
      }),
    }),
    route({
      ...probe,
      path: '/probe/late-failure',
      summary: 'Fails for a reason of its own once its context has ended',
      handle: async (ctx) => {
        await ended(ctx)
        throw new Error('failed after the end')
      },
    }),
    route({
      ...probe,
      path: '/probe/deadline',
      summary: 'Tells its own deadline, and what it was sent of the caller’s',
      handle: (ctx, _input, { headers }) =>
        Response.json({ deadline: ctx.deadline, sent: headers['x-envoy-expected-rq-timeout-ms'] }),
    }),
    route({
      ...probe,
      path: '/probe/failure',
      summary: 'Throws what nobody expects',
      handle: () => {
        throw new Error('the secret of the inside')
      },
    }),
    route({
      ...probe,
      path: '/probe/left-group',
      summary: 'Leaves a group that nobody has waited for, by an exception or not',
      query: z.object({ by: z.enum(['return', 'exception']) }),
      async handle(ctx, { query }) {
        using workers = group(ctx)
        workers.go((ctx) => sleep(ctx, 60_000))
        await sleep(ctx, 1)
        if (query.by === 'exception') throw notFound('nothing is here')
        return Response.json({})
      },
    }),
    route({
      ...probe,
      path: '/probe/fault',
      summary: 'Leaves an exception or a rejection that nobody handles',
      query: z.object({ kind: z.enum(['exception', 'rejection']).default('exception') }),
      handle: (_ctx, { query }) => {
        const fault = new Error('nobody catches this')
        setImmediate(() => {
          if (query.kind === 'exception') throw fault
          // eslint-disable-next-line @typescript-eslint/no-floating-promises -- that is the fault
          Promise.reject(fault)
        })
        return Response.json({})
      },
    }),
    route({
      ...probe,
      path: '/probe/flood',
      summary: 'Streams for as long as it is read',
      handle: () => text(flood()),
    }),
  ]
}

function text(body: Readable | AsyncIterable<string> | Iterable<string>): StreamedResponse {
  const stream = body instanceof Readable ? body : Readable.from(body)
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: stream }
}

async function* dots(count: number, pause: () => Promise<void>): AsyncGenerator<string> {
  for (let i = 0; i < count; i++) {
    await pause()
    yield '.'
  }
}

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.from('begun')
  await delay(20)
  throw new Error('the disk has failed')
}

function* flood(): Generator<string> {
  for (;;) yield 'x'.repeat(65_536)
}

async function* lines(rows: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const row of rows) yield JSON.stringify(row) + '\n'
}
