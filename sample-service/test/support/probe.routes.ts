import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { ended } from '../../src/context/ended.ts'
import { group } from '../../src/context/group.ts'
import { sleep } from '../../src/context/sleep.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { notFound } from '../../src/platform/problem.ts'
import { route, type Route } from '../../src/platform/http/route.ts'
import { routes as own } from '../../src/routes.ts'

export { guards, headers, middlewares, open } from '../../src/routes.ts'

const Seconds = z.object({ seconds: z.coerce.number().min(0).max(60) })
const responses = { 200: { description: 'Done' } }
const tags = ['probe']

/** The service's routes, and routes that wait, fail or misbehave as the guarantees require. */
export function routes(platform: Platform): Route[] {
  const { db } = platform
  return [
    ...own(platform),
    route({
      method: 'GET',
      path: '/probe/query',
      summary: 'Waits inside Postgres',
      tags,
      query: Seconds,
      responses,
      handle: async (ctx, { query }) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${query.seconds})`))
        return Response.json({ slept: query.seconds })
      },
    }),
    route({
      method: 'POST',
      path: '/probe/query',
      summary: 'Waits inside Postgres, when its body has been read',
      tags,
      body: Seconds,
      responses,
      handle: async (ctx, { body }) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${body.seconds})`))
        return Response.json({ slept: body.seconds })
      },
    }),
    route({
      method: 'POST',
      path: '/probe/unread',
      summary: 'Waits inside Postgres, and never reads its body',
      tags,
      query: Seconds,
      responses,
      handle: async (ctx, { query }) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${query.seconds})`))
        return Response.json({ slept: query.seconds })
      },
    }),
    route({
      method: 'POST',
      path: '/probe/write',
      summary: 'Waits inside Postgres, and is not cancelled by a client that hangs up; may fail then',
      tags,
      query: Seconds.extend({ fails: z.stringbool().default(false) }),
      hangUp: 'ignore',
      responses,
      handle: async (ctx, { query }) => {
        await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${query.seconds})`))
        if (query.fails) throw new Error('the write has failed')
        return Response.json({ slept: query.seconds })
      },
    }),
    route({
      method: 'GET',
      path: '/probe/transaction',
      summary: 'Tells the statement_timeout inside a transaction',
      tags,
      responses,
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
      method: 'POST',
      path: '/probe/echo',
      summary: 'Answers with its validated body',
      tags,
      query: z.object({ times: z.coerce.number().int().max(3).default(1) }),
      body: z.object({ text: z.string().max(100_000) }),
      responses,
      handle: (_ctx, { body, query }) => Response.json({ text: body.text.repeat(query.times) }),
    }),
    route({
      method: 'GET',
      path: '/probe/deaf',
      summary: 'Does not listen to its context',
      tags,
      query: Seconds,
      responses,
      handle: async (_ctx, { query }) => {
        await delay(query.seconds * 1_000)
        return Response.json({ slept: query.seconds })
      },
    }),
    route({
      method: 'GET',
      path: '/probe/large',
      summary: 'Answers at once, with more than a connection holds that nobody reads',
      tags,
      responses,
      handle: () => new Response('x'.repeat(32 * 1024 * 1024)),
    }),
    route({
      method: 'GET',
      path: '/probe/stream',
      summary: 'Streams one byte every 20 ms',
      tags,
      query: Seconds,
      responses,
      handle: (ctx, { query }) => ({
        status: 200,
        headers: { 'content-type': 'text/plain' },
        body: Readable.from(
          (async function* () {
            for (let i = 0; i < query.seconds * 50; i++) {
              await sleep(ctx, 20)
              yield '.'
            }
          })(),
        ),
      }),
    }),
    route({
      method: 'GET',
      path: '/probe/file',
      summary: 'Streams a file, which it looks for without listening to its context',
      tags,
      query: Seconds.extend({ path: z.string() }),
      responses,
      handle: async (_ctx, { query }) => {
        await delay(query.seconds * 1_000)
        return { status: 200, headers: { 'content-type': 'text/plain' }, body: createReadStream(query.path) }
      },
    }),
    route({
      method: 'GET',
      path: '/probe/broken-stream',
      summary: 'Streams, and fails in the middle',
      tags,
      query: z.object({ of: z.enum(['node', 'web']) }),
      responses,
      handle: (_ctx, { query }) => {
        const body = Readable.from(
          (async function* () {
            yield Buffer.from('begun')
            await delay(20)
            throw new Error('the disk has failed')
          })(),
        )
        return query.of === 'node'
          ? { status: 200, headers: { 'content-type': 'text/plain' }, body }
          : new Response(ReadableStream.from(body))
      },
    }),
    route({
      method: 'GET',
      path: '/probe/deaf-stream',
      summary: 'Streams one byte every 20 ms, and does not listen to its context',
      tags,
      responses,
      handle: () => ({
        status: 200,
        headers: { 'content-type': 'text/plain' },
        body: Readable.from(
          (async function* () {
            for (let i = 0; i < 1_000; i++) {
              await delay(20)
              yield '.'
            }
          })(),
        ),
      }),
    }),
    route({
      method: 'GET',
      path: '/probe/rows',
      summary: 'Streams rows as they come out of Postgres',
      tags,
      query: z.object({ count: z.coerce.number().int() }),
      responses,
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
      method: 'GET',
      path: '/probe/late-failure',
      summary: 'Fails for a reason of its own once its context has ended',
      tags,
      responses,
      handle: async (ctx) => {
        await ended(ctx)
        throw new Error('failed after the end')
      },
    }),
    route({
      method: 'GET',
      path: '/probe/deadline',
      summary: 'Tells its own deadline, and what it was sent of the caller’s',
      tags,
      responses,
      handle: (ctx, _input, { headers }) =>
        Response.json({ deadline: ctx.deadline, sent: headers['x-envoy-expected-rq-timeout-ms'] }),
    }),
    route({
      method: 'GET',
      path: '/probe/failure',
      summary: 'Throws what nobody expects',
      tags,
      responses,
      handle: () => {
        throw new Error('the secret of the inside')
      },
    }),
    route({
      method: 'GET',
      path: '/probe/left-group',
      summary: 'Leaves a group that nobody has waited for, by an exception or not',
      tags,
      query: z.object({ by: z.enum(['return', 'exception']) }),
      responses,
      async handle(ctx, { query }) {
        using workers = group(ctx)
        workers.go((ctx) => sleep(ctx, 60_000))
        await sleep(ctx, 1)
        if (query.by === 'exception') throw notFound('nothing is here')
        return Response.json({})
      },
    }),
    route({
      method: 'GET',
      path: '/probe/fault',
      summary: 'Leaves an exception or a rejection that nobody handles',
      tags,
      query: z.object({ kind: z.enum(['exception', 'rejection']).default('exception') }),
      responses,
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
      method: 'GET',
      path: '/probe/signalled-twice',
      summary: 'Has the next signal come twice, as from a process group and from npm',
      tags,
      query: z.object({ signal: z.enum(['SIGTERM', 'SIGINT']) }),
      responses,
      handle: (_ctx, { query: { signal } }) => {
        // From within, because the kernel may merge two signals from outside.
        process.once(signal, () => process.kill(process.pid, signal))
        return Response.json({})
      },
    }),
    route({
      method: 'GET',
      path: '/probe/flood',
      summary: 'Streams for as long as it is read',
      tags,
      responses,
      handle: () => ({
        status: 200,
        headers: { 'content-type': 'text/plain' },
        body: Readable.from(
          (function* () {
            for (;;) yield 'x'.repeat(65_536)
          })(),
        ),
      }),
    }),
  ]
}

async function* lines(rows: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const row of rows) yield JSON.stringify(row) + '\n'
}
