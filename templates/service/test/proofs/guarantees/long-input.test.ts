/**
 * Promise: The cost of a request grows no faster than the size of its headers and body, whatever they contain.
 * Go: `regexp` runs in linear time, and JavaScript's does not
 * Held by: src/platform/http/forwarded.ts, src/platform/http/input.ts, src/platform/http/etag.ts, src/platform/uploads/parts.ts
 */
import { Agent, request } from 'node:http'
import { expect, test } from 'vitest'
import { sharedService, type RunningService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const forwarded = sharedService({ probe: proofs, env: { TRUSTED_PROXIES: '9', PROXY_HEADERS: 'forwarded' } })
const xForwarded = sharedService({ probe: proofs, env: { TRUSTED_PROXIES: '9' } })
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

interface Sent {
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Milliseconds until the answer has ended: the least of several runs, since the machine may be busy. */
async function costOf(service: RunningService, { path = '/probe/tagged?as=response', headers, body }: Sent) {
  let least = Infinity
  for (let turn = 0; turn < 6; turn++) {
    const since = performance.now()
    await new Promise<void>((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST'
      const sending = request(service.url + path, { agent, method, headers: { ...headers } }, (answer) => {
        // Ignores ECONNRESET, because a refusal may close the connection.
        answer.resume().on('close', resolve)
      })
      sending.on('error', reject).end(body)
    })
    least = Math.min(least, performance.now() - since)
  }
  return least
}

/** `unit` repeated to `bytes` bytes. */
const long = (bytes: number, unit: string): string => unit.repeat(bytes / unit.length)

const header =
  (name: string, before: string, unit: string, after = '') =>
  (bytes: number): Sent => ({ headers: { [name]: before + long(bytes, unit) + after } })

const json =
  (before: string, unit: string, after = '', type = 'application/json') =>
  (bytes: number): Sent => ({
    path: '/probe/json/a',
    headers: { 'content-type': type },
    body: before + long(bytes, unit) + after,
  })

const part =
  (before: string, unit: string, after = '') =>
  (bytes: number): Sent => ({
    path: '/probe/files',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: `--b\r\n${before}${long(bytes, unit)}${after}\r\n\r\na\r\n--b--\r\n`,
  })

const disposition = 'content-disposition: form-data; name="doc"'

const inputs: Record<string, (bytes: number) => Sent> = {
  'Forwarded: escapes after a quote': header('forwarded', '', '"\\'),
  'Forwarded: quotes': header('forwarded', 'for=', '"'),
  'Forwarded: escaped quotes': header('forwarded', 'for="', '\\"'),
  'Forwarded: hops': header('forwarded', '', 'for=a,'),
  'Forwarded: pairs': header('forwarded', '', 'for="a";'),
  'Forwarded: blanks': header('forwarded', 'for=a;', ' ', 'b'),
  'X-Forwarded-For: commas': header('x-forwarded-for', '', ','),
  'X-Forwarded-For: addresses': header('x-forwarded-for', '', '::1, '),
  'X-Forwarded-For: brackets': header('x-forwarded-for', '[', ']', 'a'),
  'X-Forwarded-For: digits': header('x-forwarded-for', '1', '1', 'a'),
  'X-Forwarded-Host: brackets': header('x-forwarded-host', '[', ':', 'a'),
  'Host: colons': header('host', 'a', ':1'),
  'If-None-Match: tags': header('if-none-match', '', '"a",'),
  'If-None-Match: open quotes': header('if-none-match', '', 'W/"'),
  'If-Match: blanks': header('if-match', '"', ' '),
  'Accept: types': header('accept', '', 'a/b;q=0.1,'),
  'Accept-Encoding: codings': header('accept-encoding', '', 'gzip;q=0,'),
  'Range: blanks': header('range', 'bytes=', ' ', '-'),
  'Range: ranges': header('range', 'bytes=', '0-1,'),
  'Cookie: pairs': header('cookie', '', 'a=b; '),
  'Authorization: blanks': header('authorization', 'Bearer ', ' ', '!'),
  'Authorization: padding': header('authorization', 'Bearer a', '=', '!'),
  'traceparent: zeros': header('traceparent', '00-', '0-'),
  'tracestate: members': header('tracestate', '', 'a=b,'),
  'tracestate: blanks': header('tracestate', 'a=b', ' ', ',a'),
  'baggage: members': header('baggage', '', 'a=b,'),
  'baggage: percents': header('baggage', 'a=', '%'),
  'baggage: properties': header('baggage', 'a=b', ';c'),
  'X-Request-Id: a long one': header('x-request-id', '', 'a'),
  'Last-Event-ID: digits': header('last-event-id', '', '9'),
  'Idempotency-Key: quotes': header('idempotency-key', '', '"'),
  'path: percents': (bytes) => ({ path: `/probe/json/${long(bytes, '%e0%a4%')}`, body: '1' }),
  'path: slashes': (bytes) => ({ path: long(bytes, '/') }),
  'query: names': (bytes) => ({ path: `/probe/tagged?${long(bytes, '&a')}` }),
  'query: percents': (bytes) => ({ path: `/probe/tagged?as=${long(bytes, '%e0%a4%')}` }),
  'JSON: a number': json('', '1'),
  'JSON: an exponent': json('1e', '1'),
  'JSON: backslashes': json('"', '\\\\', '"'),
  'JSON: halves of pairs': json('"', '\\ud800', '"'),
  'JSON: levels': json('', '['),
  'JSON: blanks': json('', ' ', '1'),
  'part: blanks before a line feed': part('a:', ' ', '\n'),
  'part: lines': part('', 'a:\r\n', disposition),
  'part: folded lines': part(disposition, ';\r\n '),
  'part: parameters': part(`${disposition}; filename=a`, '; a=b'),
  'part: an open quote': part(`${disposition}; filename="`, '\\'),
  'part: blanks in a parameter': part(`${disposition}; filename`, ' '),
  'part: an extended name': part(`${disposition}; filename*=utf-8''`, '%'),
  'part: dashes': part(`${disposition}; filename=a\r\n\r\n`, '\r\n--'),
  ...Object.fromEntries(
    [' ', ';', 'a+', ';charset', ';charset= ', '; boundary="'].flatMap((unit) =>
      ['application/json', 'application/', 'multipart/form-data'].map((type) => [
        `Content-Type: ${type} and ${JSON.stringify(unit)}`,
        (bytes: number): Sent => ({
          path: type.startsWith('m') ? '/probe/files' : '/probe/json/a',
          headers: { 'content-type': `${type}${long(bytes, unit)}x` },
          body: '1',
        }),
      ]),
    ),
  ),
}

test.for(Object.entries(inputs))(
  '%s: four times the bytes cost no more than four times',
  // Repeats, because the machine may be busy. A pattern that backtracks fails each time.
  { retry: 2 },
  async ([, sent]) => {
    for (const service of [forwarded(), xForwarded()]) {
      const short = await costOf(service, sent(3_500))
      const four = await costOf(service, sent(14_000))
      // Twice that, to allow for noise. A pattern that backtracks takes sixteen times as long.
      expect(four).toBeLessThan(8 * Math.max(short, 2.5))
    }
  },
)
