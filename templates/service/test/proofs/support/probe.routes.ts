import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { withoutCancel, type Context } from '../../../src/context/context.ts'
import { sleep } from '../../../src/context/sleep.ts'
import type { Queries } from '../../../src/platform/database/queries.ts'
import { route, type Route, type StreamedResponse } from '../../../src/platform/http/route.ts'
import { integerParameter } from '../../../src/platform/http/values.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import { Problem } from '../../../src/platform/problem.ts'
import { readFiles } from '../../../src/platform/uploads/multipart.ts'
import { routes as probes } from '../../support/probe.routes.ts'

export { guards, headers, middlewares, open } from '../../support/probe.routes.ts'

const Seconds = z.object({ seconds: z.coerce.number().min(0).max(60) })
const Item = z.strictObject({ ...Object.fromEntries(Array.from('abcdefghij', (name) => [name, z.string()])) })
const responses = { 200: { description: 'Done' } }
const tags = ['probe']

let openWebStreams = 0

/** Invalid responses, all of which the adapter's own Response accepts. */
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
  'a stream that is counted, too': () => {
    const body = Readable.from(['a', 'b', 'c'].map((text) => Buffer.from(text)))
    body.on('data', () => undefined)
    return { status: 200, headers: {}, body }
  },
  'a stream that has failed': () => {
    const body = new Readable({ read: () => undefined })
    body.destroy(new Problem(503, 'Service Unavailable', 'too early'))
    return { status: 200, headers: { 'content-security-policy': 'sandbox' }, body }
  },
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
  'a problem of status 200': () => {
    throw new Problem(200, 'Odd', 'no failure')
  },
  'a frozen error': () => {
    throw Object.freeze(new Error('frozen'))
  },
  'an error with a toJSON that throws': () => {
    throw Object.assign(new Error('told'), {
      toJSON: () => {
        throw new Error('not told')
      },
    })
  },
  'a problem of status 99': () => {
    throw new Problem(99, 'Odd', 'no status')
  },
  'a problem of status NaN': () => {
    throw new Problem(NaN, 'Odd', 'no status')
  },
  undefined: () => undefined as unknown as Response,
  null: () => null as unknown as Response,
  'an object': () => ({ text: 'x' }) as unknown as Response,
  text: () => 'x' as unknown as Response,
  'a thrown text': () => {
    throw 'the secret of the inside'
  },
  'an error whose message throws': () => {
    throw Object.defineProperty(new Error(), 'message', { get: unreadable })
  },
  'an error whose name throws': () => {
    throw Object.defineProperty(new Error(), 'name', { get: unreadable })
  },
  'an error whose cause throws': () => {
    throw new Error('x', { cause: Object.defineProperty(new Error(), 'message', { get: unreadable }) })
  },
  'an object whose message throws': () => {
    throw Object.defineProperty({}, 'message', { get: unreadable, enumerable: true }) as Error
  },
  'a Proxy': () => {
    throw new Proxy(new Error(), { get: unreadable, getPrototypeOf: unreadable })
  },
  'a problem with a header': () => {
    throw new Problem(400, 'Odd', 'no header', { headers: { 'x-broken': 'a\vb' } })
  },
}

function unreadable(): never {
  throw new Error('it cannot be read')
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

/** The probes of the service's own tests, and more that misbehave. */
async function* unhurried(ctx: Context): AsyncGenerator<Buffer> {
  await sleep(ctx, 500)
  yield Buffer.from('x')
}

export function routes(platform: Platform): Route[] {
  const { db } = platform
  return [
    ...probes(platform),
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
      path: '/probe/signalled-twice',
      summary: 'Has the next signal come twice, as from a process group and from npm',
      tags,
      responses,
      query: z.object({ signal: z.enum(['SIGTERM', 'SIGINT']) }),
      handle: (_ctx, { query: { signal } }) => {
        // Sent from inside, because the kernel may merge two signals from outside.
        process.once(signal, () => process.kill(process.pid, signal))
        return Response.json({})
      },
    }),
    route({
      method: 'GET',
      path: '/probe/unhurried',
      summary: 'Streams one byte after a while, and is not cancelled by a client that hangs up',
      tags,
      responses,
      hangUp: 'ignore',
      handle: (ctx) => ({ status: 200, headers: {}, body: Readable.from(unhurried(ctx)) }),
    }),
    route({
      method: 'GET',
      path: '/probe/unawaited/:how',
      summary: 'Answers while nobody awaits its statement, which fails, or ends with the request',
      tags,
      params: z.object({ how: z.enum(['fails', 'ends', 'other', 'text', 'bound']) }),
      responses,
      handle: (ctx, { params: { how } }) => {
        const [call, statement] =
          how === 'fails' ? [withoutCancel(ctx), sql`select 1/0`] : [ctx, sql`select pg_sleep(60)`]
        if (how === 'other') {
          // eslint-disable-next-line @typescript-eslint/no-floating-promises -- that is the fault
          void failsElsewhere(ctx)
        } else if (how === 'bound') {
          // eslint-disable-next-line @typescript-eslint/no-floating-promises -- that is the fault
          void db.run(withoutCancel(ctx), divides.bind(undefined))
        } else if (how === 'text') {
          // eslint-disable-next-line @typescript-eslint/no-floating-promises -- that is the fault
          void Promise.reject('a mere text') // oxlint-disable-line typescript/prefer-promise-reject-errors
        } else {
          // eslint-disable-next-line @typescript-eslint/no-floating-promises -- that is the fault
          void db.run(call, (q) => q.execute(statement))
        }
        return Response.json({})
      },
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
      method: 'POST',
      path: '/probe/files',
      summary: 'Reads the files of the field `doc`',
      tags,
      files: 'doc',
      responses,
      handle: async (ctx, _input, request) => {
        await readFiles(ctx, request, { field: 'doc', limits: platform.uploads }, ({ content }) => {
          content.resume()
        })
        return Response.json({})
      },
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
      path: '/probe/unsendable',
      summary: 'Answers with a header that no HTTP message can have',
      tags,
      query: z.object({ as: z.enum(['stream', 'response', 'promise']) }),
      responses,
      handle: (_ctx, { query }) => {
        // A vertical tab, which Headers accepts and Node rejects.
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
        const odd = oddAnswers[query.what]
        if (odd === undefined) throw new Error(`there is no ${query.what}`)
        return query.as === 'promise' ? Promise.resolve().then(odd) : odd()
      },
    }),
    route({
      method: 'GET',
      path: '/probe/held-up',
      summary: 'Lets nothing else run until its deadline has passed, and then answers',
      tags,
      timeoutMs: 50,
      query: z.object({ with: z.enum(['at once', 'text', 'node', 'web', 'refusal']) }),
      responses,
      handle: (_ctx, { query }) => {
        const holdUp = (): void => {
          const until = performance.now() + 100
          while (performance.now() < until);
        }
        if (query.with === 'refusal') throw new Problem(503, 'Service Unavailable', 'busy', heldUp(holdUp))
        const late = (): Response | StreamedResponse => {
          holdUp()
          if (query.with === 'node') return { status: 200, headers: {}, body: Readable.from(['hello']) }
          return new Response(query.with === 'web' ? pulled([Buffer.from('hello')]) : 'hello')
        }
        return query.with === 'at once' ? late() : Promise.resolve().then(late)
      },
    }),
    route({
      method: 'GET',
      path: '/probe/fetched',
      summary: 'Answers with what fetch returns, as it is',
      tags,
      query: z.object({ url: z.string() }),
      responses,
      handle: (_ctx, { query }) => fetch(query.url),
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
  ]
}

function divides(q: Queries): Promise<unknown> {
  return q.execute(sql`select 1/0`)
}

async function failsElsewhere(ctx: Context): Promise<void> {
  await sleep(ctx, 1).catch(() => undefined)
  throw new Error('failed, and nobody awaited it')
}

/** Headers that let nothing else run while they are read, which is after the problem was recorded. */
function heldUp(holdUp: () => void): { headers: Record<string, string> } {
  return {
    headers: {
      get 'retry-after'() {
        holdUp()
        return '1'
      },
    },
  }
}
