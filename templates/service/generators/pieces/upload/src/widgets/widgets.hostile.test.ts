import fc from 'fast-check'
import { readdir } from 'node:fs/promises'
import { get, validateHeaderValue, type IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { sharedService } from '../../test/support/service.ts'
import { Widgets } from './widgets.api.ts'

const shared = sharedService()

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
  // No name has become a path.
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
