import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { once } from 'node:events'
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test, type TestContext } from 'vitest'
import { withCancel, type CancelContext, type Context } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import type { IncomingFile, UploadLimits } from '../../../../src/platform/uploads/files.ts'
import { readFiles } from '../../../../src/platform/uploads/multipart.ts'
import { Problem } from '../../../../src/platform/problem.ts'

const roomy: UploadLimits = {
  timeoutMs: 10_000,
  stallMs: 5_000,
  maxBytes: 10_000_000,
  maxFiles: 5,
  workers: 2,
}
const boundary = 'frontier'
const type = `multipart/form-data; boundary=${boundary}`

/** The outcome of one request to the server. */
interface Outcome {
  readonly error: unknown
  readonly files: readonly { name: string; contentType: string; content: Readable }[]
}

interface Server {
  readonly port: number
  /** The context of requests. */
  readonly ctx: CancelContext
  /** How the next request ends. */
  outcome(): Promise<Outcome>
}

/** Serves one handler that reads the files of the field `doc` with `work`, and answers with the status of its failure. */
async function serve(
  t: TestContext,
  limits: Partial<UploadLimits> = {},
  work: (ctx: Context, incoming: IncomingFile) => Promise<void> = async (_ctx, { content }) => {
    await buffer(content)
  },
): Promise<Server> {
  const ctx = withCancel(testContext(t))
  const waiting: ((outcome: Outcome) => void)[] = []
  const server = createServer((incoming, response) => {
    const files: IncomingFile[] = []
    const reading = readFiles(
      ctx,
      {
        method: 'POST',
        headers: incoming.headers,
        rawHeaders: incoming.rawHeaders,
        body: incoming,
        setHeader: () => undefined,
        appendHeader: () => undefined,
      },
      { field: 'doc', limits: { ...roomy, ...limits } },
      (file) => {
        files.push(file)
        void work(ctx, file).catch(() => undefined)
      },
    )
    const answer = (status: number, error?: unknown): void => {
      response.writeHead(status, { connection: 'close' }).end(error instanceof Error ? error.message : '')
      waiting.shift()?.({ error, files })
    }
    reading.then(
      () => answer(201),
      (error: unknown) => answer(error instanceof Problem ? error.status : 500, error),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  return { port, ctx, outcome: () => new Promise((resolve) => waiting.push(resolve)) }
}

function part(disposition: string, content: string | Buffer, header = ''): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n${header}\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.from('\r\n')])
}

const end = Buffer.from(`--${boundary}--\r\n`)

/** Opens a POST that the test writes to. Tests check its failure where they expect one. */
function post(server: Server, headers: Record<string, string> = {}): ClientRequest {
  const client = httpRequest({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    headers: { 'content-type': type, ...headers },
  })
  return client.on('error', () => undefined)
}

async function send(server: Server, body: Buffer, headers: Record<string, string> = {}): Promise<Outcome> {
  const ended = server.outcome()
  post(server, headers).end(body)
  return ended
}

async function textOf(client: ClientRequest): Promise<{ status: number | undefined; text: string }> {
  const [response] = (await once(client, 'response')) as [IncomingMessage]
  return { status: response.statusCode, text: (await buffer(response)).toString() }
}

test('yields every file with its name, type and bytes, in the order of the body', async (t) => {
  const hashes: string[] = []
  const server = await serve(t, {}, async (_ctx, { content }) => {
    hashes.push(
      createHash('sha256')
        .update(await buffer(content))
        .digest('hex'),
    )
  })
  const bytes = randomBytes(1_000_000)
  // Bytes that look like the frontier, but are not.
  const hostile = Buffer.from(`\r\n--${boundary.slice(0, -1)}\r\n--\r\n`.repeat(1_000))

  const { error, files } = await send(
    server,
    Buffer.concat([
      part('name="doc"; filename="a.bin"', bytes, 'Content-Type: image/png\r\n'),
      part('name="doc"; filename="b 中.txt"', hostile),
      part('name="doc"; filename="empty"', ''),
      end,
    ]),
  )

  expect(error).toBeUndefined()
  expect(files.map(({ name, contentType }) => [name, contentType])).toEqual([
    ['a.bin', 'image/png'],
    ['b 中.txt', 'application/octet-stream'],
    ['empty', 'application/octet-stream'],
  ])
  expect(hashes.sort()).toEqual(
    [bytes, hostile, Buffer.alloc(0)].map((one) => createHash('sha256').update(one).digest('hex')).sort(),
  )
})

test('parses a body wherever the network splits it', async (t) => {
  const got: string[] = []
  const server = await serve(t, {}, async (_ctx, { name, content }) => {
    got.push(`${name}=${(await buffer(content)).toString()}`)
  })
  const body = Buffer.concat([
    part('name="doc"; filename="a"', 'one\r\n-'),
    part('name="doc"; filename="b"', 'two'),
    end,
  ])
  for (let at = 1; at < body.length; at++) {
    got.length = 0
    const ended = server.outcome()
    const client = post(server)
    client.write(body.subarray(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    client.end(body.subarray(at))
    expect((await ended).error, `cut at ${at}`).toBeUndefined()
    expect(got.sort(), `cut at ${at}`).toEqual(['a=one\r\n-', 'b=two'])
  }
})

test('reads the body only as fast as the files are read', async (t) => {
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  const server = await serve(t, { maxBytes: 50_000_000, stallMs: 300 }, async (_ctx, { content }) => {
    await released
    await buffer(content)
  })
  const ended = server.outcome()
  const client = post(server)
  client.write(part('name="doc"; filename="a"', Buffer.alloc(30_000_000)).subarray(0, -2))

  // Longer than a client may stall, but here the client does not stall.
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(client.writableLength).toBeGreaterThan(20_000_000)

  release()
  client.end(Buffer.concat([Buffer.from('\r\n'), end]))
  expect((await ended).error).toBeUndefined()
})

test('reads together the bytes that a client sends one by one', async (t) => {
  const chunks: number[] = []
  const server = await serve(t, {}, async (_ctx, { content }) => {
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk.length)
  })
  const ended = server.outcome()
  const client = connect(server.port, '127.0.0.1')
  client.on('error', () => undefined)
  const head = part('name="doc"; filename="a"', '').subarray(0, -2)
  const chunk = (bytes: Buffer): string => `${bytes.length.toString(16)}\r\n${bytes.toString()}\r\n`

  client.write(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(head)}`,
  )
  client.write('1\r\nx\r\n'.repeat(50_000))
  client.write(`2\r\n\r\n\r\n${chunk(end)}0\r\n\r\n`)

  expect((await ended).error).toBeUndefined()
  client.destroy()
  expect(chunks.reduce((sum, length) => sum + length, 0)).toBe(50_000)
  // Each costs as much as a large one.
  expect(chunks.length).toBeLessThan(500)
})

test('reads on when a chunk without content follows the one that filled the buffer of a file', async (t) => {
  // As much as the buffer of a file takes, so that only the last byte fills it.
  const content = Buffer.alloc(256 * 1024)
  let drained: () => void = () => undefined
  const reading = new Promise<void>((resolve) => (drained = resolve))
  const server = await serve(t, {}, async (_ctx, file) => {
    while (file.content.readableLength < content.length) await turn()
    file.content.once('room', drained)
    await buffer(file.content)
  })
  const ended = server.outcome()
  const client = post(server)
  client.write(part('name="doc"; filename="a"', content).subarray(0, -2))
  await reading

  await new Promise((resolve) => client.write('\r', resolve))
  await turn()
  client.end(Buffer.concat([Buffer.from('\n'), end]))

  expect((await ended).error).toBeUndefined()
})

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const one = part('name="doc"; filename="a"', 'x')
const two = part('name="doc"; filename="b"', 'y')

test.for<[string, Buffer]>([
  ['a byte order mark before the first', Buffer.concat([Buffer.from('\ufeff'), one, two, end])],
  ['a blank before the first', Buffer.concat([Buffer.from(' '), one, two, end])],
  ['a bare line feed before the first', Buffer.concat([Buffer.from('\n'), one, two, end])],
  [
    'bare line feeds behind the first',
    Buffer.concat([Buffer.from(one.toString().replaceAll('\r\n', '\n')), Buffer.from('\r\n'), two, end]),
  ],
  ['bare line feeds behind the last', Buffer.concat([one, end, Buffer.from('\n'), two, end])],
  ['a delimiter behind the end that is not a line', Buffer.concat([one, end, Buffer.from('x'), two, end])],
])(
  'a body with a file after a line that only looks like a delimiter is refused, wherever it is split: %s',
  async ([, body], t) => {
    const server = await serve(t)
    for (let at = 1; at < body.length; at += 7) {
      const ended = server.outcome()
      const client = post(server)
      client.on('error', () => undefined)
      client.write(body.subarray(0, at))
      await new Promise((resolve) => setImmediate(resolve))
      client.end(body.subarray(at))
      expect((await ended).error, `cut at ${at}`).toMatchObject({ status: 400 })
    }
  },
)

test('skips text before the first delimiter and after the last', async (t) => {
  const server = await serve(t)

  const { error, files } = await send(
    server,
    Buffer.concat([Buffer.from('hello\r\n'), one, end, Buffer.from('\r\ngoodbye\r\n')]),
  )

  expect(error).toBeUndefined()
  expect(files).toHaveLength(1)
})

test.for<[string, Buffer, number]>([
  [
    'a file without a name and a byte',
    Buffer.concat([part('name="doc"', '', 'Content-Type: application/octet-stream\r\n'), end]),
    400,
  ],
  ['no multipart at all', Buffer.from('hello'), 400],
  ['nothing', Buffer.alloc(0), 400],
  ['no part', end, 400],
  ['no end', part('name="doc"; filename="a"', 'x'), 400],
  ['an end within a file', part('name="doc"; filename="a"', 'x').subarray(0, -2), 400],
  ['an end within a header', part('name="doc"; filename="a"', 'x').subarray(0, 40), 400],
  [
    'half a closing delimiter',
    Buffer.concat([part('name="doc"; filename="a"', 'x'), end.subarray(0, -3)]),
    400,
  ],
  ['a part without a header', Buffer.from(`--${boundary}\r\nx\r\n--${boundary}--\r\n`), 400],
  [
    'a part that is cut off by the delimiter',
    Buffer.from(`--${boundary}\r\nContent-Dispo\r\n--${boundary}--\r\n`),
    400,
  ],
  ['a part without a disposition', Buffer.from(`--${boundary}\r\nA: b\r\n\r\nx\r\n--${boundary}--\r\n`), 400],
  [
    'bare line feeds',
    Buffer.from(part('name="doc"; filename="a"', 'x').toString().replaceAll('\r', '')),
    400,
  ],
  [
    'a part without a header behind a good file',
    Buffer.concat([part('name="doc"; filename="a"', 'x'), Buffer.from(`--${boundary}\r\nsecond\r\n`), end]),
    400,
  ],
  [
    'a part without any header behind a good file',
    Buffer.concat([
      part('name="doc"; filename="a"', 'x'),
      Buffer.from(`--${boundary}\r\n\r\nsecond\r\n`),
      end,
    ]),
    400,
  ],
  [
    'a part whose header is cut off, behind a good file',
    Buffer.concat([
      part('name="doc"; filename="a"', 'x'),
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="doc"; filename="b"\r\n`),
      end,
    ]),
    400,
  ],
  [
    'a part without a header before a good file',
    Buffer.concat([Buffer.from(`--${boundary}\r\n`), part('name="doc"; filename="a"', 'x'), end]),
    400,
  ],
  [
    'a header with a line that is not a field',
    Buffer.concat([part('name="doc"; filename="a"', 'x', 'nonsense\r\n'), end]),
    400,
  ],
  [
    'two dispositions',
    Buffer.concat([
      part('name="doc"; filename="a"', 'x', 'Content-Disposition: form-data; name="doc"; filename="b"\r\n'),
      end,
    ]),
    400,
  ],
  [
    'a header that has no end',
    Buffer.concat([part('name="doc"; filename="a"', 'x', `A: ${'x'.repeat(20_000)}\r\n`), end]),
    400,
  ],
  [
    'another file behind the closing delimiter',
    Buffer.concat([
      part('name="doc"; filename="a"', 'x'),
      Buffer.from(`--${boundary}--\r\n`),
      part('name="doc"; filename="b"', 'x'),
      end,
    ]),
    400,
  ],
  ['a form with no file chosen', Buffer.concat([part('name="doc"; filename=""', ''), end]), 400],
  [
    'a name that is not UTF-8',
    Buffer.concat([Buffer.from(part('name="doc"; filename="\xe9"', 'x').toString(), 'latin1'), end]),
    400,
  ],
  ['an empty part', Buffer.from(`--${boundary}\r\n\r\n\r\n--${boundary}--\r\n`), 400],
  [
    'another boundary',
    Buffer.from(part('name="doc"; filename="a"', 'x').toString().replaceAll(boundary, 'other')),
    400,
  ],
  ['another field', Buffer.concat([part('name="dok"; filename="a"', 'x'), end]), 400],
  ['a value', Buffer.concat([part('name="doc"', 'x'), end]), 400],
  [
    'a file, and a value beside it',
    Buffer.concat([part('name="doc"; filename="a"', 'x'), part('name="b"', 'x'), end]),
    400,
  ],
  [
    'a file that is too large',
    Buffer.concat([part('name="doc"; filename="a"', Buffer.alloc(10_000_001)), end]),
    413,
  ],
  [
    'too many files',
    Buffer.concat([...Array.from({ length: 6 }, () => part('name="doc"; filename="a"', 'x')), end]),
    413,
  ],
])('a body of %s is refused', async ([, body, status], t) => {
  const server = await serve(t)
  const { error, files } = await send(server, body)
  expect(error).toBeInstanceOf(Problem)
  expect(error).toMatchObject({ status })
  for (const { content } of files) expect(content.destroyed || content.readableEnded).toBe(true)
})

test('a file may be as large as the limit, and text may come before the first part and after the last', async (t) => {
  const server = await serve(t, { maxBytes: 100_000 })
  const around = Buffer.from('\r\nnot for you\r\n')
  const body = Buffer.concat([around, part('name="doc"; filename="a"', Buffer.alloc(100_000)), end, around])
  expect((await send(server, body)).error).toBeUndefined()
})

test('a line that only begins like a delimiter, or has more than blanks after it, belongs to the file', async (t) => {
  const got: string[] = []
  const server = await serve(t, {}, async (_ctx, { content }) => {
    got.push((await buffer(content)).toString())
  })
  const bytes = ['X', '-', '-x', '--x', ' x', '--\rx', ' \t\r', '\n', '']
    .map((rest) => `\r\n--${boundary}${rest}x`)
    .join('')
  const body = Buffer.concat([part('name="doc"; filename="a"', `--${boundary}X${bytes}`), end])
  for (let at = 1; at < body.length; at++) {
    got.length = 0
    const ended = server.outcome()
    const client = post(server)
    client.write(body.subarray(0, at))
    await new Promise((resolve) => setImmediate(resolve))
    client.end(body.subarray(at))
    expect((await ended).error, `cut at ${at}`).toBeUndefined()
    await expect.poll(() => got, { message: `cut at ${at}` }).toEqual([`--${boundary}X${bytes}`])
  }
})

test('ignores blanks after a delimiter, and needs no line end after the last', async (t) => {
  const got: string[] = []
  const server = await serve(t, {}, async (_ctx, { content }) => {
    got.push((await buffer(content)).toString())
  })
  const padded = Buffer.concat([
    part('name="doc"; filename="a"', 'one'),
    part('name="doc"; filename="b"', ''),
    end,
  ])
    .toString()
    .replaceAll(boundary, `${boundary} \t `)
    .replace(` \t --`, '-- \t')
  for (const body of [padded, padded.trimEnd(), padded.slice(0, -2), `${padded}more\r\n--other`]) {
    got.length = 0
    expect((await send(server, Buffer.from(body))).error, JSON.stringify(body)).toBeUndefined()
    await expect.poll(() => got.toSorted()).toEqual(['', 'one'])
  }
})

test('a file without content, even without its own line end, is empty', async (t) => {
  const server = await serve(t)
  const header = `--${boundary}\r\nContent-Disposition: form-data;\r\n name="doc"; filename="a"\r\n`
  const { error, files } = await send(server, Buffer.from(`${header}\r\n--${boundary}--`))
  expect(error).toBeUndefined()
  expect(files).toHaveLength(1)
})

test.for([
  ['application/json', 415],
  ['application/x-www-form-urlencoded', 415],
  ['multipart/mixed; boundary=x', 415],
  ['multipart/form-data', 400],
  ['multipart/form-data; boundary=', 400],
  [`multipart/form-data; boundary=${'x'.repeat(71)}`, 400],
] as const)('a body of the type %s is answered %i', async ([contentType, status], t) => {
  const server = await serve(t)
  const { error } = await send(server, Buffer.from('x'), { 'content-type': contentType })
  expect(error).toMatchObject({ status })
})

test('a quoted boundary is understood', async (t) => {
  const server = await serve(t)
  const body = Buffer.concat([part('name="doc"; filename="a"', 'x'), end])
  const { error } = await send(server, body, {
    'content-type': `Multipart/Form-Data; charset=utf-8; boundary="${boundary}"`,
  })
  expect(error).toBeUndefined()
})

test('a body whose Content-Length is over the limit is refused unread', async (t) => {
  const server = await serve(t, { maxBytes: 1_000, maxFiles: 1 })
  const client = post(server, { 'content-length': '1000000000' })
  client.flushHeaders()
  expect(await textOf(client)).toMatchObject({
    status: 413,
    text: expect.stringContaining('UPLOAD_MAX_BYTES') as unknown,
  })
  client.destroy()
})

test('text after the last part has a limit too', async (t) => {
  const server = await serve(t, { maxBytes: 1_000, maxFiles: 1 })
  const ended = server.outcome()
  const client = post(server)
  client.write(Buffer.concat([part('name="doc"; filename="a"', 'x'), end]))
  client.end(Buffer.alloc(1_000_000))
  expect((await ended).error).toMatchObject({ status: 413 })
})

test('a client that keeps sending too large a file still gets the answer', async (t) => {
  const server = await serve(t, { maxBytes: 100_000 })
  const client = post(server)
  client.write(part('name="doc"; filename="a"', Buffer.alloc(5_000_000)))
  expect(await textOf(client)).toMatchObject({
    status: 413,
    text: expect.stringContaining('UPLOAD_MAX_BYTES') as unknown,
  })
  client.destroy()
})

test('a client that stalls is answered 408, and the file under way ends with the reason', async (t) => {
  const server = await serve(t, { stallMs: 200 })
  const ended = server.outcome()
  const client = post(server)
  client.write(part('name="doc"; filename="a"', 'x').subarray(0, -2))
  expect(await textOf(client)).toMatchObject({ status: 408 })
  const { error, files } = await ended
  expect(files[0]?.content.errored).toBe(error)
  client.destroy()
})

test('when ctx ends, the reading and every open file end with its cause', async (t) => {
  let begun: () => void = () => undefined
  const reading = new Promise<void>((resolve) => (begun = resolve))
  const server = await serve(t, {}, (_ctx, { content }) => {
    content.once('data', begun)
    return Promise.resolve()
  })
  const ended = server.outcome()
  const client = post(server)
  client.write(part('name="doc"; filename="a"', 'x').subarray(0, -2))
  await reading

  const stop = new Error('the server stops')
  server.ctx.cancel(stop)

  const { error, files } = await ended
  expect(error).toBe(stop)
  expect(files[0]?.content.errored).toBe(stop)
  client.destroy()
})

test('when the connection breaks, every open file ends with the reason', async (t) => {
  let begun: () => void = () => undefined
  const reading = new Promise<void>((resolve) => (begun = resolve))
  const server = await serve(t, {}, (_ctx, { content }) => {
    content.once('data', begun)
    return Promise.resolve()
  })
  const ended = server.outcome()
  const client = post(server)
  client.write(part('name="doc"; filename="a"', 'x').subarray(0, -2))
  await reading

  client.destroy()

  const { error, files } = await ended
  expect(error).toMatchObject({ status: 400, message: 'the body was cut off' })
  expect(files[0]?.content.errored).toBe(error)
})

test('a client that vanishes while every worker waits is noticed when a worker reads on', async (t) => {
  let readOn: () => void = () => undefined
  const disk = new Promise<void>((resolve) => (readOn = resolve))
  const { server, ended, client } = await serveWaiting(t, disk)
  client.destroy()

  readOn()

  const { error, files } = await ended
  expect(error).toMatchObject({ status: 400, message: 'the body was cut off' })
  expect(files.map(({ content }) => content.errored)).toEqual([null, error])
  expect(server.ctx.err).toBeUndefined()
})

test('a client that vanishes while every worker waits forever is released when ctx ends', async (t) => {
  const { server, ended, client } = await serveWaiting(t, new Promise(() => undefined))
  client.destroy()

  const late = new Error('the deadline has passed')
  server.ctx.cancel(late)

  const { error, files } = await ended
  expect(error).toBe(late)
  expect(files[1]?.content.errored).toBe(late)
})

/** Both workers have a file, which neither reads before `disk` has resolved; the second is larger than what buffers hold. */
async function serveWaiting(t: TestContext, disk: Promise<void>) {
  let begun = 0
  const server = await serve(t, { maxBytes: 50_000_000 }, async (_ctx, { content }) => {
    begun++
    await disk
    await buffer(content)
  })
  const ended = server.outcome()
  const client = post(server)
  const second = part('name="doc"; filename="b"', Buffer.alloc(40_000_000)).subarray(0, -2)
  client.write(Buffer.concat([part('name="doc"; filename="a"', 'x'), second]))
  await expect.poll(() => begun).toBe(roomy.workers)
  return { server, ended, client }
}

test.for<[string, Buffer, number]>([
  ['files', part('name="doc"; filename="a"', 'x'), 413],
  ['values', part('name="a"', 'x'), 400],
  ['headers', Buffer.from(`--${boundary}\r\nA: b\r\n\r\n\r\n`), 400],
])(
  'a hundred thousand %s in one body are refused, and no more files are yielded than the limit allows',
  async ([, one, status], t) => {
    const server = await serve(t, { stallMs: 60_000 })
    const body = Buffer.concat([...Array.from({ length: 100_000 }, () => one), end])
    const { error, files } = await send(server, body)
    expect(error).toMatchObject({ status })
    expect(files.length).toBeLessThanOrEqual(roomy.maxFiles)
    await expect.poll(() => files.every(({ content }) => content.destroyed)).toBe(true)
  },
)

test('after a refusal no file is yielded, even if its bytes have arrived', async (t) => {
  const server = await serve(t)
  const bad = part('name="dok"; filename="a"', 'x')
  const { error, files } = await send(
    server,
    Buffer.concat([bad, part('name="doc"; filename="b"', 'x'), end]),
  )
  expect(error).toMatchObject({ status: 400 })
  expect(files).toEqual([])
})

test('destroying a file ends the reading with the reason', async (t) => {
  const full = new Error('the disk is full')
  const server = await serve(t, {}, (_ctx, { content }) => {
    content.destroy(full)
    return Promise.resolve()
  })
  const { error } = await send(
    server,
    Buffer.concat([part('name="doc"; filename="a"', Buffer.alloc(500_000)), end]),
  )
  expect(error).toBe(full)
})

test('destroying a file while its client sends nothing ends the reading at once', async (t) => {
  const full = new Error('the disk is full')
  const server = await serve(t, { stallMs: 60_000 }, async (_ctx, { content }) => {
    await once(content, 'data')
    content.destroy(full)
  })
  const ended = server.outcome()
  post(server).write(part('name="doc"; filename="a"', 'half of it'))

  expect((await ended).error).toBe(full)
})

test('a body with changed, missing or doubled bytes is read or refused, and never hangs', async (t) => {
  const server = await serve(t, { stallMs: 60_000, maxFiles: 3 })
  const good = Buffer.concat([
    part('name="doc"; filename="a"', 'one\r\n--'),
    part('name="doc"; filename="b"', ''),
    end,
  ])
  const change = fc.tuple(
    fc.nat(good.length),
    fc.nat(12),
    fc.constantFrom('', '-', '\r\n', '\0', '"', ';', `--${boundary}`),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const body = changes.reduce(
        (bytes, [at, cut, put]) =>
          Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(at + cut)]),
        good,
      )
      const { error, files } = await send(server, body)
      if (error !== undefined) expect(error).toBeInstanceOf(Problem)
      await expect
        .poll(() => files.every(({ content }) => content.errored !== null || content.readableEnded))
        .toBe(true)
    }),
    { numRuns: 300 },
  )
})
