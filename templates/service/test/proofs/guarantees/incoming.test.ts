/**
 * Promise: Input is kept unchanged or refused, and one client cannot take more than its share of memory or time.
 * Go: `json.Decoder` replaces broken UTF-8 and rounds into float64 in silence; `http.Server` reads one request of a connection at a time
 * Held by: src/platform/json.ts, src/platform/validate.ts, src/platform/http/refusal.ts, src/platform/http/limits.ts, src/platform/http/etag.ts
 */
import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { connection } from '../../support/client.ts'
import { sharedService, type LogLine } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const shared = sharedService({
  probe: proofs,
  env: { NODE_OPTIONS: '--max-old-space-size=256', REQUEST_TIMEOUT_MS: '5000', LOG_LEVEL: 'debug' },
})
const port = () => Number(new URL(shared().url).port)

interface ProblemBody {
  readonly status: number
  readonly detail: string
  readonly requestId: string
  readonly errors?: readonly { field: string; message: string }[]
}

function post(path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
  const type = { 'content-type': 'application/json' }
  return fetch(shared().url + path, { method: 'POST', body, headers: { ...type, ...headers } })
}

/** Runs `work`, and returns how long other clients waited meanwhile, in ms. */
async function longestWait(work: Promise<unknown>): Promise<number> {
  let longest = 0
  const state = { working: true }
  const done = work.finally(() => (state.working = false))
  while (state.working) {
    const startedAt = performance.now()
    await (await fetch(`${shared().url}/livez`)).text()
    longest = Math.max(longest, performance.now() - startedAt)
  }
  await done
  return longest
}

describe('pipelined requests:', () => {
  test('up to a hundred wait their turn', async () => {
    const client = connection(shared())
    client.send('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100))
    await client.received('HTTP/1.1 200 OK', 100)
    client.hangUp()
  })

  test('ten megabytes of them close the connection, log one line, and do not slow other clients', async () => {
    const socket = connect(port(), '127.0.0.1')
    socket.on('error', () => undefined).resume()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write('GET /probe/query?seconds=0.1 HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(200_000))

    // 200 ms on a machine of its own.
    expect(await longestWait(closed)).toBeLessThan(3_000)

    const told = ({ msg }: LogLine): boolean => msg.includes('more than 100 requests waited')
    expect(await shared().line(told)).toMatchObject({ level: 'warn' })
    expect(shared().log.filter(told)).toHaveLength(1)
  })
})

describe('a body with many mistakes:', () => {
  test('the answer lists the first hundred and the number of the others', async () => {
    const response = await post('/probe/items', JSON.stringify({ items: Array(150).fill(5) }))

    expect(response.status).toBe(400)
    const { detail, errors } = (await response.json()) as ProblemBody
    expect(errors).toHaveLength(100)
    expect(detail).toBe('the request is invalid; see errors, and 50 more')
  })

  test('four bodies with a megabyte of mistakes each get short answers and do not slow other clients', async () => {
    const body = `{"items":[${'{},'.repeat(340_000)}{}]}`
    const answers = Promise.all([1, 2, 3, 4].map(() => post('/probe/items', body)))

    expect(await longestWait(answers)).toBeLessThan(2_500)

    for (const response of await answers) {
      expect(response.status).toBe(400)
      const text = await response.text()
      expect(text.length).toBeLessThan(10_000)
      expect((JSON.parse(text) as ProblemBody).detail).toMatch(/and 340000 more/)
    }
  })

  test('a long name is cut between two characters', async () => {
    for (let at = 450; at < 500; at++) {
      const sent = `${'x'.repeat(at)}😀${'y'.repeat(100)}`
      const response = await post('/probe/items', JSON.stringify({ items: [{ [sent]: 1 }] }))
      expect(await response.text()).not.toMatch(/\\ud[89a-f]/)
    }
  })

  test('an unknown name is shortened in the answer', async () => {
    const response = await post('/probe/items', JSON.stringify({ items: [{ ['x'.repeat(900_000)]: 1 }] }))
    expect(response.status).toBe(400)
    expect((await response.text()).length).toBeLessThan(10_000)
  })
})

describe('JSON is kept unchanged or refused:', () => {
  test.for([
    ['750727362669608961', 'cannot be kept exactly'],
    ['9007199254740993', 'cannot be kept exactly'],
    ['9007199254740993.0', 'cannot be kept exactly'],
    ['900719925474099.3e1', 'cannot be kept exactly'],
    ['3.14159265358979323846', 'cannot be kept exactly'],
    // Few digits, but float64 would lose a half or a cent.
    ['9007199254740993.5', 'cannot be kept exactly'],
    ['90071992547409.93', 'cannot be kept exactly'],
    ['4e-324', 'cannot be kept exactly'],
    ['1.2345678901234e-320', 'cannot be kept exactly'],
    ['1e400', 'cannot be kept exactly'],
    ['-1e400', 'cannot be kept exactly'],
    ['1e-400', 'cannot be kept exactly'],
    ['"\\ud800"', 'half a surrogate pair'],
    ['{"\\udc00a":1}', 'half a surrogate pair'],
    ['{"a":1,"b":{"a":2,"a":3}}', 'two members of the same name'],
    [`${'['.repeat(201)}${']'.repeat(201)}`, 'deeper than 200 levels'],
  ] as const)('%s is refused', async ([json, why]) => {
    const response = await post('/probe/json/x', json)
    expect(response.status).toBe(400)
    expect(((await response.json()) as ProblemBody).detail).toContain(why)
  })

  test.for([
    ['9007199254740992', '9007199254740992'],
    ['-0.1', '-0.1'],
    // C's output for 0.1 with 17 digits, and Python's for 1e23.
    ['0.10000000000000001', '0.1'],
    ['100000000000000000000000', '1e+23'],
    ['[1234567890123456e-4,5e-324]', '[123456789012.3456,5e-324]'],
    ['[1.50, 0.00, 1E2, 0e999]', '[1.5,0,100,0]'],
    ['"\\\\ud800 \\ud83d\\ude00 9007199254740993 1e400"', '"\\\\ud800 😀 9007199254740993 1e400"'],
    ['{"__proto__":{"a":1},"b":"\\":1e400\\\\"}', '{"__proto__":{"a":1},"b":"\\":1e400\\\\"}'],
    ['\ufeff{"a":1}', '{"a":1}'],
  ] as const)('%s is accepted', async ([json, kept]) => {
    const response = await post('/probe/json/x', json)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(`{"name":"x","body":${kept}}`)
  })

  test.for([
    ['a byte that UTF-8 does not use', [0x22, 0xe9, 0x22]],
    ['half a character', [0x22, 0xf0, 0x9f, 0x98, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x22, 0, 0x61, 0, 0x22, 0]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
  ] as const)('%s is 400', async ([, bytes]) => {
    expect((await post('/probe/json/x', Uint8Array.from(bytes))).status).toBe(400)
  })

  test.for([
    ['application/json; charset=iso-8859-1', 415],
    ['application/json;charset="UTF-16"', 415],
    ['application/json; charset=utf-8; charset=latin1', 415],
    ['application/json; charset=UTF-8', 200],
    ['application/problem+json;charset="utf-8"', 200],
  ] as const)('content-type %s is %i', async ([type, status]) => {
    expect((await post('/probe/json/x', '1', { 'content-type': type })).status).toBe(status)
  })

  test('a compressed body is 415, and the answer names the accepted encodings', async () => {
    const response = await post('/probe/json/x', '1', { 'content-encoding': 'gzip' })
    expect(response.status).toBe(415)
    expect(response.headers.get('accept-encoding')).toBe('identity')
  })
})

describe('a body is refused by its headers', () => {
  test.for([
    ['a length that is too large', 'Content-Length: 1000000000', 413],
    ['an unsupported transfer coding', 'Transfer-Encoding: gzip, chunked', 501],
  ] as const)('%s: before a byte of it has arrived', async ([, header, status]) => {
    const client = connection(shared())
    client.send(
      `POST /probe/json/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${header}\r\n\r\n`,
    )
    expect(await client.received('"requestId"')).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    client.hangUp()
  })
})

describe('Expect: 100-continue', () => {
  const head = 'POST /probe/json/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n'
  test.for([
    ['a body that is too large', 'Content-Type: application/json\r\nContent-Length: 1000000000', 413],
    ['a body of another type', 'Content-Type: text/plain\r\nContent-Length: 1', 415],
  ] as const)('%s is refused without 100, and its connection is closed', async ([, headers, status]) => {
    const client = connection(shared())
    client.send(`${head}${headers}\r\n\r\n`)
    const received = await client.closed
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(received.toLowerCase()).toContain('connection: close')
  })

  test('a body that is read gets one 100 Continue, and its connection is kept', async () => {
    const client = connection(shared())
    const request = `${head}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n`
    for (const times of [1, 2]) {
      client.send(request)
      const asked = await client.received('HTTP/1.1 100 Continue', times)
      expect(asked.split('HTTP/1.1 200 OK')).toHaveLength(times)
      client.send('1')
      await client.received('"body":1', times)
    }
    client.hangUp()
  })
})

describe('targets and queries are kept unchanged or refused:', () => {
  test.for([
    ['/probe/json/%ff', 400],
    ['/probe/json/%zz', 400],
    ['/probe/json/a%', 400],
    ['/probe/json/x?q=%C3', 400],
    ['/probe/json/x?q=1&q=2', 400],
    ['/probe/json/x?%71=1&q=2', 400],
    ['/probe/json/\u00e9', 400],
    ['/probe/json/x#y', 400],
    ['/probe/json/%C3%A9?q=%F0%9F%98%80%00', 200],
  ] as const)('POST %s is %i', async ([path, status]) => {
    const client = connection(shared())
    const head = 'Host: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 1'
    client.send(`POST ${path} HTTP/1.1\r\n${head}\r\n\r\n1`)
    const received = await client.closed
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    if (status === 200) expect(received).toContain('{"name":"é","q":"😀\\u0000","body":1}')
    else expect(received).toContain('"requestId"')
  })

  test.for(['0x10', '1e1', '%205', '+5', '5%20', '', '1.0', '101', '-1', '٣', '1_0', '9'.repeat(400)])(
    'a number given as "%s" is refused',
    async (given) => {
      expect((await post(`/probe/json/x?n=${given}`, '1')).status).toBe(400)
    },
  )

  test('the log contains neither the user nor the password of a target', async () => {
    const client = connection(shared())
    client.send('GET http://user:secret@a/livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: absolute\r\n\r\n')
    await client.received('"status"')
    client.hangUp()
    const line = await shared().line(({ requestId }) => requestId === 'absolute')
    expect(line).toMatchObject({ path: '/livez' })
    expect(JSON.stringify(shared().log)).not.toContain('secret@')
  })
})

describe('an unsupported method:', () => {
  test.for([
    ['PUT', '/probe/query', 'GET, HEAD, POST'],
    ['DELETE', '/livez', 'GET, HEAD'],
    ['OPTIONS', '/livez', 'GET, HEAD'],
    ['GET', '/probe/json/x', 'POST'],
    ['HEAD', '/probe/json/x', 'POST'],
    ['TRACE', '/livez', 'GET, HEAD'],
    ['PROPFIND', '/livez', 'GET, HEAD'],
  ] as const)('%s %s is 405 with Allow: %s', async ([method, path, allowed]) => {
    const { status, headers } = await new Promise<{ status: number | undefined; headers: object }>(
      (resolve, reject) => {
        request(shared().url + path, { method, agent: false }, (response) => {
          response.resume()
          resolve({ status: response.statusCode, headers: response.headers })
        })
          .on('error', reject)
          .end()
      },
    )
    expect(status).toBe(405)
    expect(headers).toMatchObject({ allow: allowed, 'content-type': 'application/problem+json' })
  })

  test('on an unknown path it is 404', async () => {
    const response = await fetch(`${shared().url}/probe/nowhere`, { method: 'PUT' })
    expect(response.status).toBe(404)
    expect(response.headers.has('allow')).toBe(false)
  })
})

describe('a request that Node or the adapter would refuse gets a problem with an id, and a line in the log:', () => {
  const host = 'Host: a\r\n'
  const json = 'Content-Type: application/json\r\n'
  test.for([
    ['an asterisk', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 400],
    ['a host with a path', 'GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['no host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
    ['two hosts', `GET /livez HTTP/1.1\r\n${host}${host}\r\n`, 400],
    ['a backslash in the path', `GET /a\\b HTTP/1.1\r\n${host}\r\n`, 400],
    ['an absolute target that is not a URL', `GET http://[/ HTTP/1.1\r\n${host}\r\n`, 400],
    ['another expectation', `GET /livez HTTP/1.1\r\n${host}Expect: magic\r\n\r\n`, 417],
    ['a line that is not HTTP', 'hello\r\n\r\n', 400],
    ['a line that is not a header', `GET /livez HTTP/1.1\r\n${host}: b\r\n\r\n`, 400],
    ['too large headers', `GET /livez HTTP/1.1\r\n${host}A: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'a chunk without a size',
      `POST /probe/items HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n\r\nx\r\n`,
      400,
    ],
    [
      'too large chunk extensions',
      `POST /probe/items HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}\r\n`,
      413,
    ],
    ['a tunnel', 'CONNECT user:secret@a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 501],
    ['headers that do not come', `GET /livez HTTP/1.1\r\n${host}`, 408],
  ] as const)('%s', { concurrent: true }, async ([, sent, status]) => {
    const client = connection(shared())
    client.send(sent)
    const received = await client.received('"requestId":"')
    client.hangUp()

    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(received.toLowerCase()).toContain('content-type: application/problem+json')
    const body = JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4)) as ProblemBody
    expect(body.status).toBe(status)
    expect(received.toLowerCase()).toContain(`x-request-id: ${body.requestId}`)
    const line = await shared().line(({ requestId }) => requestId === body.requestId)
    expect(line).toMatchObject({ msg: 'request', status })
    expect(JSON.stringify(line)).not.toContain('secret')
  })
})

describe('preconditions apply to every GET and HEAD, in the order of RFC 9110, 13.2.2:', () => {
  test.for([
    ['if-match', '"other"', 412],
    ['if-match', 'W/"a,b"', 412],
    ['if-match', '"a,b"', 200],
    ['if-match', '"x", "a,b"', 200],
    ['if-match', '*', 200],
    ['if-none-match', '"a,b"', 304],
    ['if-none-match', 'W/"a,b"', 304],
    ['if-none-match', '*', 304],
    ['if-none-match', '"other"', 200],
  ] as const)('%s: %s gets %i', async ([name, value, status]) => {
    for (const as of ['response', 'stream', 'web']) {
      for (const method of ['GET', 'HEAD']) {
        const response = await fetch(`${shared().url}/probe/tagged?as=${as}`, {
          method,
          headers: { [name]: value },
        })
        expect([as, method, response.status]).toEqual([as, method, status])
        if (status === 304) expect(response.headers.get('etag')).toBe('"a,b"')
        expect(await response.text()).toMatch(
          status === 200 && method === 'GET' ? /^tagged$/ : /^$|requestId/,
        )
      }
    }
  })

  test('If-Match is evaluated before If-None-Match', async () => {
    const headers = { 'if-match': '"other"', 'if-none-match': '"a,b"' }
    expect((await fetch(`${shared().url}/probe/tagged?as=response`, { headers })).status).toBe(412)
  })

  test('a request that fails otherwise keeps its own status', async () => {
    const headers = { 'if-match': '"other"' }
    expect((await fetch(`${shared().url}/probe/tagged?as=x`, { headers })).status).toBe(400)
  })
})
