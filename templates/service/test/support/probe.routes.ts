import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { withoutCancel } from '../../src/context/context.ts'
import { ended } from '../../src/context/ended.ts'
import { group } from '../../src/context/group.ts'
import { sleep } from '../../src/context/sleep.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { notFound, Problem } from '../../src/platform/problem.ts'
import { route, type Route, type StreamedResponse } from '../../src/platform/http/route.ts'
import { integerParameter } from '../../src/platform/http/values.ts'
import { routes as own } from '../../src/routes.ts'

const Seconds = z.object({ seconds: z.coerce.number().min(0).max(60) })
const Item = z.strictObject({
  ...Object.fromEntries(Array.from('abcdefghij', (name) => [name, z.string()])),
})
const responses = { 200: { description: 'Done' } }
const tags = ['probe']

let openWebStreams = 0

/** A Response that stands for none: the adapter's own takes all of these. */
const oddAnswers: Readonly<Record<string, () => Response | StreamedResponse>> = {
  'status 99': () => new Response('x', { status: 99 }),
  'status 101': () => new Response(null, { status: 101 }),
  'status 1000': () => new Response('x', { status: 1_000 }),
  'status 200.5': () => new Response('x', { status: 200.5 }),
  '204 with a body': () => new Response('x', { status: 204 }),
  '304 with a body': () => new Response('x', { status: 304 }),
  'a stream of status 99': () => ({ status: 99, headers: {}, body: Readable.from(['x']) }),
  'a stream of status 204': () => ({ status: 204, headers: {}, body: Readable.from(['x']) }),
  'a name of a header': () => new Response('x', { headers: { 'a b': 'x' } }),
  Trailer: () => new Response('x', { headers: { trailer: 'x' } }),
  'Transfer-Encoding': () => new Response('x', { headers: { 'transfer-encoding': 'gzip' } }),
  'a stream with Transfer-Encoding': () => ({
    status: 200,
    headers: { 'Transfer-Encoding': 'identity' },
    body: Readable.from(['x']),
  }),
  'a stream with Trailer': () => ({ status: 200, headers: { trailer: 'x' }, body: Readable.from(['x']) }),
  'a stream with two lengths': () => ({
    status: 200,
    headers: { 'content-length': ['1', '2'] },
    body: Readable.from(['x']),
  }),
  'a stream with the length 0x1': () => lengthOf('0x1'),
  'a stream with the length +1': () => lengthOf('+1'),
  'a stream with the length 01': () => lengthOf('01'),
  'a stream with the length 1e0': () => lengthOf('1e0'),
  'a stream with the length -1': () => lengthOf('-1'),
  'a stream with no length': () => lengthOf(''),
  'a stream with the length x': () => lengthOf('x'),
  'a web stream with the length 0x1': () =>
    new Response(ReadableStream.from([Buffer.from('x')]), { headers: { 'content-length': '0x1' } }),
  'a stream of numbers': () => new Response(pulled([1, 2])),
  'a stream of bytes, then objects': () => new Response(pulled([Buffer.from('x'), { a: 1 }])),
  'a stream of objects': () => ({ status: 200, headers: {}, body: Readable.from([{ a: 1 }]) }),
  'a locked body': () => {
    const body = ReadableStream.from([Buffer.from('x')])
    body.getReader()
    return new Response(body)
  },
  'a body that was read': () => {
    const response = new Response(ReadableStream.from([Buffer.from('x')]))
    response.text().catch(() => undefined)
    return response
  },
  'a problem of status 99': () => {
    throw new Problem(99, 'Odd', 'no status')
  },
  'a problem with a header': () => {
    throw new Problem(400, 'Odd', 'no header', { headers: { 'x-broken': 'a\vb' } })
  },
}

function pulled(chunks: unknown[]): ReadableStream {
  return new ReadableStream({
    pull(controller) {
      if (chunks.length === 0) controller.close()
      else controller.enqueue(chunks.shift())
    },
  })
}

function lengthOf(length: string): StreamedResponse {
  return { status: 200, headers: { 'Content-Length': length }, body: Readable.from(['x']) }
}

/** The service's routes, and some that wait, fail or misbehave in every way the guarantees speak of. */
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
      method: 'POST',
      path: '/probe/items',
      summary: 'Counts its validated items',
      tags,
      body: z.object({ items: z.array(Item) }),
      responses,
      handle: (_ctx, { body }) => Response.json({ items: body.items.length }),
    }),
    route({
      method: 'POST',
      path: '/probe/json/:name',
      summary: 'Answers with what it was sent in its path, its query and its body',
      tags,
      params: z.object({ name: z.string() }),
      query: z.object({ q: z.string().optional(), n: integerParameter(0, 100).optional() }),
      body: z.unknown(),
      responses,
      handle: (_ctx, { params, query, body }) => Response.json({ ...params, ...query, body }),
    }),
    route({
      method: 'GET',
      path: '/probe/tagged',
      summary: 'Has an ETag, and says nothing of preconditions',
      tags,
      query: z.object({ as: z.enum(['response', 'stream', 'web']) }),
      responses,
      handle: (_ctx, { query }) => {
        const headers = { etag: '"a,b"', 'content-type': 'text/plain', 'cache-control': 'no-cache' }
        if (query.as === 'stream') return { status: 200, headers, body: Readable.from(['tagged']) }
        return new Response(query.as === 'web' ? ReadableStream.from([Buffer.from('tagged')]) : 'tagged', {
          headers,
        })
      },
    }),
    route({
      method: 'POST',
      path: '/probe/cast',
      summary: 'Has Postgres read a number out of its body, and wraps what it is told',
      tags,
      body: z.object({ text: z.string() }),
      responses,
      handle: (ctx, { body }) =>
        db.run(ctx, async (q) => {
          const { rows } = await q.execute(sql`select ${body.text}::int as n`).catch((cause: unknown) => {
            throw new Error('no number', { cause })
          })
          return Response.json(rows)
        }),
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
      path: '/probe/stuck',
      summary: 'Waits inside Postgres, cut off from its context',
      tags,
      query: Seconds,
      responses,
      handle: async (ctx, { query }) => {
        await db.run(withoutCancel(ctx), (q) => q.execute(sql`select pg_sleep(${query.seconds})`))
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
      path: '/probe/warning',
      summary: 'Has Node warn of something',
      tags,
      responses,
      handle: () => {
        process.emitWarning('this is deprecated')
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
        // From within: of two that are sent from outside, the kernel may make one.
        process.once(signal, () => process.kill(process.pid, signal))
        return Response.json({})
      },
    }),
    route({
      method: 'GET',
      path: '/probe/unsendable',
      summary: 'Answers with a header that no HTTP message can have',
      tags,
      query: z.object({ as: z.enum(['stream', 'response', 'promise']) }),
      responses,
      handle: (_ctx, { query }) => {
        // A vertical tab, which Headers take and Node does not.
        const headers = { 'content-type': 'text/plain', 'x-sendable': 'a', 'x-broken': 'a\vb' }
        if (query.as === 'stream') return { status: 200, headers, body: Readable.from(['hello']) }
        const response = new Response('hello', { headers })
        return query.as === 'promise' ? Promise.resolve(response) : response
      },
    }),
    route({
      method: 'GET',
      path: '/probe/length',
      summary: 'Answers with five bytes, and says that they are more or fewer',
      tags,
      query: z.object({ of: z.enum(['node', 'web', 'blob', 'text', 'bytes', 'nothing']), says: z.string() }),
      responses,
      handle: (_ctx, { query: { of, says } }) => {
        const headers = { 'content-type': 'text/plain', 'content-length': says }
        const body = (function* () {
          yield Buffer.from('he')
          yield Buffer.from('llo')
        })()
        if (of === 'node') return { status: 200, headers, body: Readable.from(body) }
        if (of === 'web') return new Response(ReadableStream.from(body), { headers })
        if (of === 'blob') return new Response(new Blob(['hello']), { headers })
        const whole = of === 'text' ? 'hello' : of === 'bytes' ? Buffer.from('hello') : null
        return new Response(whole, { headers })
      },
    }),
    route({
      method: 'GET',
      path: '/probe/odd',
      summary: 'Answers with what no HTTP message can be',
      tags,
      query: z.object({ what: z.string(), as: z.enum(['response', 'promise']) }),
      responses,
      handle: (_ctx, { query }) => {
        const odd = oddAnswers[query.what]?.()
        if (odd === undefined) throw new Error(`there is no ${query.what}`)
        return query.as === 'promise' ? Promise.resolve(odd) : odd
      },
    }),
    route({
      method: 'GET',
      path: '/probe/web-stream',
      summary: 'Streams a web stream without end, after a while and without listening to its context',
      tags,
      query: Seconds.extend({ status: z.coerce.number() }),
      responses,
      handle: (_ctx, { query }) => {
        openWebStreams++
        const body = new ReadableStream({
          pull: async (controller) => {
            await delay(20)
            controller.enqueue(Buffer.from('.'))
          },
          cancel: () => {
            openWebStreams--
          },
        })
        const response = new Response(body, { status: query.status })
        return query.seconds === 0 ? response : delay(query.seconds * 1_000).then(() => response)
      },
    }),
    route({
      method: 'GET',
      path: '/probe/open-web-streams',
      summary: 'Tells how many web streams have not been cancelled',
      tags,
      responses,
      handle: () => Response.json(openWebStreams),
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
