import fc from 'fast-check'
import { readdir, readlink } from 'node:fs/promises'
import { get, validateHeaderValue, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { eventually } from '../../test/support/client.ts'
import { sharedService, startService, type RunningService } from '../../test/support/service.ts'
import { Widgets } from './widgets.api.ts'

const shared = sharedService()
const field = 'widget'

test('no name and no type of a file changes which headers a download has', async () => {
  const service = shared()
  const name = fc.oneof(
    fc.constantFrom(
      'a\r\nSet-Cookie: b',
      '"; filename=x',
      '../../etc/passwd',
      '\u202egnp.exe',
      '\\',
      '%0d%0aA: b',
    ),
    fc.string({ unit: 'grapheme-ascii' }),
    fc.string({ unit: 'binary-ascii' }),
  )
  const harmless = new FormData()
  harmless.append('widget', new Blob(['1'], { type: 'text/plain' }), 'a.txt')
  const made = await fetch(`${service.url}/widgets`, { method: 'POST', body: harmless })
  const [first] = Widgets.parse(await made.json()).widgets
  const usual = await headersAt(`${service.url}/widgets/${first?.id ?? ''}/content`)
  const type = fc.constantFrom('text/html', 'a/b;c="d e"', 'a/b;\vc=d', 'a/b;\fc=d', 'a/b;\u00a0c=d', 'a', '')
  await fc.assert(
    fc.asyncProperty(name, type, async (name, type) => {
      const quoted = name.replaceAll(/["\r\n]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
      const disposition = `form-data; name="widget"; filename="${quoted}"`
      const body = Buffer.from(
        `--x\r\nContent-Disposition: ${disposition}\r\nContent-Type: ${type}\r\n\r\n1\r\n--x--\r\n`,
        'latin1',
      )
      const headers = { 'content-type': 'multipart/form-data; boundary=x' }
      const response = await fetch(`${service.url}/widgets`, { method: 'POST', body, headers })
      // A quote or a backslash at its end may make a header that cannot be read.
      if (response.status === 400) return
      expect(response.status).toBe(201)
      const [widget] = Widgets.parse(await response.json()).widgets

      const content = await headersAt(`${service.url}/widgets/${widget?.id ?? ''}/content`)

      expect(content.statusCode).toBe(200)
      expect(Object.keys(content.headers).sort()).toEqual(Object.keys(usual.headers).sort())
      for (const value of Object.values(content.headers)) validateHeaderValue('x', String(value))
      expect(content.headers['content-disposition']).toMatch(
        /^attachment; filename="[ -~]*"; filename\*=UTF-8''[\w%.~!-]+$/,
      )
    }),
    { numRuns: 100 },
  )
  // No name was used as a path.
  for (const file of await readdir(service.uploadDir)) expect(file).toMatch(/^widgets-[0-9a-f-]{36}$/)
})

test('ids, limits, cursors and ranges of every kind are answered with 200, 206 or a 4xx', async () => {
  const { url } = shared()
  const odd = fc.oneof(
    fc.constantFrom(
      '../..',
      '%',
      '%00',
      '__proto__',
      '-1',
      '1e2',
      '9'.repeat(400),
      '',
      '0000-01-01T00:00:00.000Z',
    ),
    fc.string({ unit: 'binary-ascii' }),
  )
  const time = fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
  const cursor = fc
    .tuple(fc.oneof(time, odd), fc.oneof(fc.uuid(), odd))
    .map((both) => Buffer.from(both.join(' ')).toString('base64url'))
  const request = fc.oneof(
    fc.tuple(odd, cursor).map(([limit, at]) => `/widgets?limit=${encodeURIComponent(limit)}&cursor=${at}`),
    cursor.map((at) => `/widgets?cursor=${at}`),
    fc.oneof(fc.uuid(), odd).map((id) => `/widgets/${encodeURIComponent(id)}/content`),
  )
  await fc.assert(
    fc.asyncProperty(request, fc.tuple(odd, odd), async (path, [first, last]) => {
      const range = `bytes=${first}-${last}`.replaceAll(/[^ -~]/g, '')
      const { status } = await fetch(url + path, { headers: { range } })
      expect([200, 206, 400, 404, 416]).toContain(status)
    }),
    { numRuns: 200 },
  )
})

/** The answer, without its body. */
function headersAt(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers: { connection: 'close' } }, (response) => {
      response.resume()
      resolve(response)
    }).on('error', reject)
  })
}

test('an invalid limit and a foreign cursor are refused, each by name', async () => {
  const service = shared()
  // A time that ISO 8601 has and Postgres lacks.
  const yearZero = Buffer.from('0000-01-01T00:00:00.000Z 01890a5d-ac96-774b-bcce-b302099a8057').toString(
    'base64url',
  )
  for (const query of [
    ...['limit=0', 'limit=101', 'limit=x', 'limit=', 'limit=0x10', 'limit=1e1', 'limit=%205', 'limit=+5'],
    ...['limit=1&limit=2', 'cursor=x', 'cursor=', 'cursor=eA'],
    `cursor=${yearZero}`,
  ]) {
    const response = await fetch(`${service.url}/widgets?${query}`)
    expect(response.status, query).toBe(400)
    expect(await response.json(), query).toMatchObject({
      errors: [{ field: `query.${query.split('=')[0]}` }],
    })
  }
})

test('any body, in any pieces and cut anywhere, is stored or refused, and leaves nothing else', async (t) => {
  const service = await startService(t, { env: { UPLOAD_MAX_FILES: '3' } })
  const part = (name: string, content: string): string =>
    `--x\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\n\r\n${content}\r\n`
  const nested = 'Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nz\r\n--y--'
  const good = Buffer.from(`${part('a\u202e/中🎉\0', 'one\r\n--')}${part('b', nested)}--x--\r\n`)
  const change = fc.record({
    at: fc.nat(good.length),
    cut: fc.nat(20),
    put: fc.oneof(
      fc.constantFrom('', '\r\n--x', '\r\n--x--', '\0', 'A: b\r\n'.repeat(2_000)),
      fc.string({ unit: 'binary' }),
    ),
  })
  const sent = fc.record({
    changes: fc.array(change, { maxLength: 3 }),
    piece: fc.integer({ min: 1, max: good.length }),
    // How many bytes more (or fewer) the Content-Length promises than come.
    promised: fc.constantFrom(0, 0, 0, 10, -10),
  })
  expect(await post(service, good, 7, good.length)).toBe(201)
  await fc.assert(
    fc.asyncProperty(sent, async ({ changes, piece, promised }) => {
      const body = changes.reduce(
        (bytes, { at, cut, put }) =>
          Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(at + cut)]),
        good,
      )
      const status = await post(service, body, piece, body.length + promised)
      if (status !== undefined) expect([201, 400, 413]).toContain(status)
    }),
    { numRuns: 150 },
  )
  const stored = async (): Promise<string[]> =>
    (await service.sql('select id from widgets order by id')).map((row) => `widgets-${String(row['id'])}`)
  await eventually(async () => String(await stored()) === String((await readdir(service.uploadDir)).sort()))
  await eventually(async () => (await openBelow(service)) === 0)
  // If all were refused, the test would prove little.
  expect((await stored()).length).toBeGreaterThan(2)
  expect(service.log.filter(({ status }) => status === 500)).toEqual([])
})

/** Sends `body` in pieces over its own connection, which it closes if more was promised. Returns the status, if any. */
async function post(service: RunningService, body: Buffer, piece: number, length: number) {
  const { hostname, port } = new URL(service.url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => undefined)
  socket.setNoDelay(true)
  socket.write(
    `POST /widgets HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: ${Math.max(0, length)}\r\n\r\n`,
  )
  for (let at = 0; at < body.length; at += piece) {
    socket.write(body.subarray(at, at + piece))
    await new Promise((resolve) => setImmediate(resolve))
  }
  // Node treats a client that has ended its side as one that has left.
  if (length > body.length) socket.end()
  const answer = await text(socket).catch(() => '')
  const [, status] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? []
  return status === undefined ? undefined : Number(status)
}

/** How many files of its upload folder the service holds open; 0 if the system cannot tell. */
async function openBelow(service: RunningService): Promise<number> {
  const descriptors = `/proc/${service.pid}/fd`
  const numbers = await readdir(descriptors).catch(() => [])
  const files = await Promise.all(numbers.map((fd) => readlink(`${descriptors}/${fd}`).catch(() => '')))
  return files.filter((file) => file.startsWith(service.uploadDir)).length
}
