import fc from 'fast-check'
import { cut, say, type Heard } from './wire.ts'

/** The target of the inputs. */
export interface Target {
  readonly port: number
  /** Existing documents. */
  readonly ids: readonly string[]
  /** How many milliseconds the service has to answer or close the connection. */
  readonly limitMs: number
}

/** Inputs of one kind, and a check of the answer to each. */
export interface Family {
  readonly name: string
  readonly about: string
  /** @throws Error that says what is wrong */
  property(target: Target, count: (heard: Heard) => void): fc.IAsyncPropertyWithHooks<[unknown]>
}

function family<T>(
  name: string,
  about: string,
  inputs: (target: Target) => fc.Arbitrary<T>,
  send: (input: T, target: Target) => Promise<Heard>,
  also: (input: T, heard: Heard, target: Target) => Promise<void> | void = () => undefined,
): Family {
  return {
    name,
    about,
    property: (target, count) =>
      fc.asyncProperty(inputs(target), async (input) => {
        const heard = await send(input, target)
        count(heard)
        for (const status of heard.statuses) {
          if (status === 500) throw new Error(`answered 500: ${heard.text.slice(0, 500)}`)
        }
        if (heard.statuses.length === 0 && !heard.closed && heard.ms >= target.limitMs)
          throw new Error(`no answer, and the connection is open after ${Math.round(heard.ms)} ms`)
        if (/x-powered-by|node_modules|\.ts:\d|postgres/i.test(heard.text))
          throw new Error(`reveals internals: ${heard.text.slice(0, 500)}`)
        await also(input, heard, target)
      }),
  }
}

const uuid = fc.uuid()
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    '\0',
    '../../etc/passwd',
    '..\\..\\x',
    '%00',
    '%',
    "'; drop table documents; --",
    '__proto__',
  ),
)
const awkwardNumber = fc.oneof(
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.double().map(String),
  fc.constantFrom('', ' ', '0x10', '1e2', '-0', '00', '١', 'NaN', 'Infinity', '1_0', '9'.repeat(400)),
)
const year = fc.oneof(
  fc.constantFrom('0000', '0001', '9999', '1970', '2026', '+010000', '-000001', '99999'),
  fc.nat(9_999).map((n) => String(n).padStart(4, '0')),
)
const time = fc
  .tuple(
    year,
    fc.nat(13),
    fc.nat(32),
    fc.nat(25),
    fc.nat(61),
    fc.nat(61),
    fc.constantFrom('', '.1', '.123456789012345'),
  )
  .map(([y, ...rest]) => {
    const [mo, d, h, mi, s] = rest.slice(0, 5).map((n) => String(n).padStart(2, '0'))
    return `${y}-${mo}-${d}T${h}:${mi}:${s}${rest[5]}Z`
  })
const cursor = fc.oneof(
  fc.tuple(time, uuid).map(([t, id]) => Buffer.from(`${t} ${id}`).toString('base64url')),
  fc
    .tuple(fc.oneof(time, anyText), fc.oneof(uuid, anyText))
    .map((both) => Buffer.from(both.join(' ')).toString('base64url')),
  anyText,
)

/** Without half a surrogate pair, which no encoding of bytes can hold. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString()
}

/** A text for a request line: characters that may not be there are percent-encoded, or, if `raw`, left as they are. */
function inTarget(text: string, raw: boolean): string {
  return raw ? text.replaceAll(/[\s\0]/g, '') : encodeURIComponent(wellFormed(text))
}

function head(lines: readonly string[]): string {
  return [...lines, '', ''].join('\r\n')
}

const host = 'Host: 127.0.0.1'
const close = 'Connection: close'

const targets = ({ ids }: Target) =>
  fc.record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'DELETE', 'PUT', 'OPTIONS', 'TRACE', 'PROPFIND'),
    path: fc.oneof(
      fc.tuple(awkwardNumber, cursor, fc.boolean()).map(([limit, at, raw]) => {
        return `/documents?limit=${inTarget(limit, raw)}&cursor=${inTarget(at, raw)}`
      }),
      cursor.map((at) => `/documents?cursor=${inTarget(at, false)}`),
      fc.tuple(fc.oneof(uuid, anyText), fc.boolean()).map(([id, raw]) => `/documents/${inTarget(id, raw)}`),
      fc
        .tuple(fc.oneof(uuid, anyText), fc.boolean())
        .map(([id, raw]) => `/documents/${inTarget(id, raw)}/content`),
      fc
        .array(fc.oneof(anyText, fc.constantFrom('.', '..', '...', 'docs', 'documents', '%2e%2e', '%2f')), {
          maxLength: 6,
        })
        .map((parts) => `/${parts.map((part) => inTarget(part, true)).join('/')}`),
      fc.webUrl({ withQueryParameters: true }),
      fc.constantFrom(
        '*',
        '//',
        '/\\',
        '/?',
        '/#',
        '/%',
        '/%zz',
        '/livez/',
        `/${'a/'.repeat(4_000)}`,
        '/documents/../livez',
        'http://',
        'http://[',
        '/docs/%2e%2e/package.json',
        '/docs/../../package.json',
      ),
      fc.constantFrom(...ids).map((id) => `/documents/${id}/x`),
    ),
    headers: fc.array(
      fc.tuple(
        fc.constantFrom(
          'X-Request-Id',
          'traceparent',
          'tracestate',
          'baggage',
          'grpc-timeout',
          'x-envoy-expected-rq-timeout-ms',
          'Accept',
          'If-None-Match',
          'Origin',
          'Expect',
          'Upgrade',
          'Cookie',
          'Host',
        ),
        fc.oneof(anyText, awkwardNumber),
      ),
      { maxLength: 3 },
    ),
  })

const ranges = fc.oneof(
  fc.tuple(awkwardNumber, awkwardNumber).map(([a, b]) => `bytes=${a}-${b}`),
  fc.tuple(fc.nat(30), fc.nat(30)).map(([a, b]) => `bytes=${a}-${b}`),
  fc
    .array(
      fc.tuple(fc.nat(9), fc.nat(9)).map((both) => both.join('-')),
      { maxLength: 3_000 },
    )
    .map((all) => `bytes=${all.join(',')}`),
  anyText,
)

const edits = fc.array(
  fc.record({
    at: fc.nat(400),
    cut: fc.nat(12),
    put: fc.oneof(
      fc.constantFrom(
        '',
        '\r\n',
        '\n',
        '\r',
        '\0',
        ' ',
        '\t',
        ':',
        '\r\n ',
        '\r\n\r\n',
        'Content-Length: 5\r\n',
        'Content-Length: 6\r\n',
        'Content-Length: -1\r\n',
        'Content-Length: 99999999999999999999\r\n',
        'Transfer-Encoding: chunked\r\n',
        'Transfer-Encoding: gzip, chunked\r\n',
        'Transfer-Encoding : chunked\r\n',
        'Transfer-Encoding: xchunked\r\n',
        'Host: b\r\n',
        'Connection: upgrade\r\nUpgrade: h2c\r\n',
        'Expect: 100-continue\r\n',
        'ffffffffffffffff\r\n',
        '0\r\n\r\n',
        '5;ext=' + 'x'.repeat(20_000),
        'A: b\r\n'.repeat(3_000),
        `A: ${'x'.repeat(20_000)}\r\n`,
        'HTTP/1.0',
        'HTTP/0.9',
        'HTTP/2.0',
        'GET / HTTP/1.1\r\n\r\n',
      ),
      fc.string({ unit: 'binary', maxLength: 30 }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
)

function sent(method: string, path: string, type: string, body: string, ...more: string[]): string {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    host,
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
  ]
  return head([...lines, ...more]) + body
}

const upload =
  '--x\r\nContent-Disposition: form-data; name="document"; filename="a"\r\n\r\n12345\r\n--x--\r\n'

const goodRequests = [
  head(['GET /livez HTTP/1.1', host]),
  sent('POST', '/probe/echo', 'application/json', '{"text":"okay"}'),
  head(['POST /probe/echo HTTP/1.1', host, 'Content-Type: application/json', 'Transfer-Encoding: chunked']) +
    '5\r\n{"tex\r\na\r\nt":"okay"}\r\n0\r\n\r\n',
  sent('POST', '/documents', 'multipart/form-data; boundary=x', upload),
  head(['GET /documents HTTP/1.1', host]) + head(['GET /livez HTTP/1.1', host]),
]

function deep(kind: string, depth: number): string {
  if (kind === 'arrays') return '['.repeat(depth) + ']'.repeat(depth)
  if (kind === 'open') return '['.repeat(depth)
  if (kind === 'objects') return '{"text":'.repeat(depth) + '1' + '}'.repeat(depth)
  if (kind === 'wide') return `[${'{},'.repeat(depth)}{}]`
  return `{"text":"${'\\u0000'.repeat(depth)}"}`
}

const bodies = fc.oneof(
  fc.json({ maxDepth: 20 }).map((text) => Buffer.from(text)),
  fc
    .tuple(fc.constantFrom('arrays', 'open', 'objects', 'wide', 'nul'), fc.constantFrom(10, 1_000, 120_000))
    .map(([kind, depth]) => Buffer.from(deep(kind, depth))),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.jsonValue().map((text) => Buffer.from(JSON.stringify({ text, __proto__: null, constructor: text }))),
  fc
    .constantFrom(
      '{"__proto__":{"text":"x"}}',
      '{"text":"x","text":1}',
      '{"text":"\\ud800"}',
      '{"text":1e999}',
      '\ufeff{"text":"x"}',
      '',
      ' ',
      'null',
    )
    .map((text) => Buffer.from(text)),
)

const fileName = fc.oneof(
  anyText,
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.constantFrom(
    'a\r\nSet-Cookie: a=b',
    'a"; x="',
    'a\\',
    "a';",
    '\u202egnp.exe',
    'a%0d%0aX: y',
    'con',
    '.',
    '..',
    '/',
    'a'.repeat(5_000),
    '\u0000',
    '\ud800',
    '=?utf-8?q?x?=',
  ),
)

function quoted(name: string): string {
  return name.replaceAll(
    /["\r\n]/g,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function part(disposition: string, header: string, content: string): string {
  return `--x\r\nContent-Disposition: form-data; name="document"; ${disposition}\r\n${header}\r\n${content}\r\n`
}

function post(body: Buffer): Buffer {
  const lines = ['POST /documents HTTP/1.1', host, 'Content-Type: multipart/form-data; boundary=x']
  return Buffer.concat([Buffer.from(head([...lines, `Content-Length: ${body.length}`])), body])
}

/** The headers of the first answer, each as it came. */
function headersOf(heard: Heard): string[] {
  return heard.text.split('\r\n\r\n')[0]?.split('\r\n').slice(1) ?? []
}

const contentHeaders = new Set([
  'x-request-id',
  'etag',
  'cache-control',
  'accept-ranges',
  'content-disposition',
  'content-length',
  'content-security-policy',
  'content-type',
  'cross-origin-resource-policy',
  'referrer-policy',
  'x-content-type-options',
  'date',
  'connection',
  'keep-alive',
])

export const families: readonly Family[] = [
  family(
    'http',
    'requests with bytes changed, doubled, cut; two lengths, bad chunks, huge headers',
    () =>
      fc.record({
        base: fc.constantFrom(...goodRequests),
        edits,
        size: fc.integer({ min: 1, max: 400 }),
        patient: fc.nat(15).map((n) => n === 0),
      }),
    ({ base, edits: all, size, patient }, { port, limitMs }) => {
      const bytes = all.reduce((sofar, { at, cut: gone, put }) => {
        const from = Math.min(at, sofar.length)
        return Buffer.concat([sofar.subarray(0, from), Buffer.from(put), sofar.subarray(from + gone)])
      }, Buffer.from(base))
      return say(port, cut(bytes, size), { patient, limitMs })
    },
  ),
  family(
    'targets',
    'paths, ids, cursors, limits and headers of every kind',
    targets,
    ({ method, path, headers }, { port, limitMs }) => {
      const lines = headers.map(([name, value]) => `${name}: ${value.replaceAll(/[\r\n]/g, '')}`)
      return say(port, [Buffer.from(head([`${method} ${path} HTTP/1.1`, host, close, ...lines]))], {
        patient: true,
        limitMs,
      })
    },
  ),
  family(
    'ranges',
    'Range, If-Range and If-None-Match',
    ({ ids }) =>
      fc.record({
        id: fc.constantFrom(...ids),
        range: ranges,
        tag: fc.option(anyText),
        ifRange: fc.option(anyText),
      }),
    ({ id, range, tag, ifRange }, { port, limitMs }) => {
      const lines = [
        `Range: ${range}`,
        ...(tag === null ? [] : [`If-None-Match: ${tag}`]),
        ...(ifRange === null ? [] : [`If-Range: ${ifRange}`]),
      ].map((line) => line.replaceAll(/[\r\n]/g, ''))
      return say(
        port,
        [Buffer.from(head([`GET /documents/${id}/content HTTP/1.1`, host, close, ...lines]))],
        { patient: true, limitMs },
      )
    },
    (_input, { statuses }) => {
      if (![200, 206, 304, 400, 416, 431].includes(statuses[0] ?? 0))
        throw new Error(`answered ${String(statuses)}`)
    },
  ),
  family(
    'json',
    'bodies: deep, wide, cut, not JSON, of other types',
    () =>
      fc.record({
        body: bodies,
        type: fc.constantFrom(
          'application/json',
          'application/json',
          'application/x+json;charset=utf-16',
          'text/plain',
          '',
        ),
        size: fc.constantFrom(1, 100, 1e9),
      }),
    ({ body, type, size }, { port, limitMs }) => {
      const lines = [
        'POST /probe/echo HTTP/1.1',
        host,
        `Content-Type: ${type}`,
        `Content-Length: ${body.length}`,
      ]
      return say(port, [Buffer.from(head(lines)), ...cut(body, size)], { patient: true, limitMs })
    },
    (_input, { statuses }) => {
      if (![200, 400, 413, 415, 504].includes(statuses[0] ?? 0))
        throw new Error(`answered ${String(statuses)}`)
    },
  ),
  family(
    'names',
    'file names and types, uploaded and read back: they inject no header',
    () =>
      fc.record({
        name: fileName,
        type: fc.option(
          fc.oneof(
            anyText,
            fc.constantFrom(
              'text/html',
              'text/html\t;charset="a, b"',
              'a/b; c="\\""',
              'text/html;\vcharset=a',
              'text/html;\fcharset=a',
              'text/html;\u00a0charset=a',
              'x'.repeat(300),
            ),
          ),
        ),
        extended: fc.boolean(),
      }),
    ({ name, type, extended }, { port, limitMs }) => {
      const disposition = extended
        ? `filename*=UTF-8''${encodeURIComponent(wellFormed(name))}`
        : `filename="${quoted(name)}"`
      const header = type === null ? '' : `Content-Type: ${type.replaceAll(/[\r\n]/g, '')}\r\n`
      return say(port, [post(Buffer.from(`${part(disposition, header, 'content')}--x--\r\n`))], {
        patient: true,
        limitMs,
      })
    },
    async (_input, heard, { port, limitMs }) => {
      const [status] = heard.statuses
      if (status === 400) return
      const [, id] = /"id":"([0-9a-f-]{36})"/.exec(heard.text) ?? []
      if (status !== 201 || id === undefined) throw new Error(`answered ${heard.text.slice(0, 300)}`)
      const lines = [`GET /documents/${id}/content HTTP/1.1`, host, close]
      const content = await say(port, [head(lines)], { patient: true, limitMs })
      if (content.statuses[0] !== 200) throw new Error(`reads back as ${content.text.slice(0, 300)}`)
      for (const line of headersOf(content)) {
        const [, header = line] = /^([^:]+): [\t\x20-\x7e]*$/.exec(line) ?? []
        if (!contentHeaders.has(header.toLowerCase()))
          throw new Error(`an unexpected header: ${JSON.stringify(line)}`)
      }
      if (
        !/^content-disposition: attachment; filename="[^"\\]*"; filename\*=UTF-8''[\w%.~!-]+$/m.test(
          headersOf(content).join('\n'),
        )
      )
        throw new Error(`a disposition that cannot be read: ${headersOf(content).join(' | ')}`)
    },
  ),
  family(
    'multipart',
    'parts, headers and delimiters of every kind, in any number',
    () =>
      fc.record({
        parts: fc.array(
          fc.record({
            name: anyText,
            header: fc.oneof(
              fc.constantFrom(
                '',
                'A: b\r\n'.repeat(30),
                `A: ${'x'.repeat(100_000)}\r\n`,
                'Content-Type: multipart/mixed; boundary=x\r\n',
                'Content-Transfer-Encoding: base64\r\n',
                '\r\n',
                ': \r\n',
              ),
              anyText,
            ),
            content: fc.oneof(anyText, fc.constantFrom('--x', '\r\n--x', 'y'.repeat(300_000))),
          }),
          { maxLength: 8 },
        ),
        end: fc.constantFrom('--x--\r\n', '--x--', '--x', '', '--x-', '--x--'.repeat(20_000)),
        size: fc.integer({ min: 1, max: 5_000 }),
      }),
    ({ parts, end, size }, { port, limitMs }) => {
      const body =
        parts
          .map(({ name, header, content }) => part(`filename="${quoted(name)}"`, header, content))
          .join('') + end
      return say(port, cut(post(Buffer.from(body)), size), { patient: true, limitMs })
    },
    (_input, { statuses }) => {
      if (![201, 400, 408, 413, 504].includes(statuses[0] ?? 0))
        throw new Error(`answered ${String(statuses)}`)
    },
  ),
]
