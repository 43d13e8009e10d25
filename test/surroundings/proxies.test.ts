/** The emitted service behind nginx and HAProxy, as docs/neighbours.md configures them. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashOf } from '../../bench/support/documents.ts'
import {
  eventually,
  hangUp,
  hangUpBesideInnocents,
  open,
  streamRows,
  useDocuments,
} from './support/clients.ts'
import { fileScope, freePort, temporaryFolder } from './support/daemon.ts'
import { startHaproxy } from './support/haproxy.ts'
import { startNginx, type Proxy } from './support/nginx.ts'
import { running, startPostgres, type Postgres } from './support/postgres.ts'
import { find } from './support/programs.ts'
import { migrate, startService, type Service } from './support/service.ts'

describe.each([
  ['nginx', startNginx],
  ['haproxy', startHaproxy],
] as const)('behind %s', (name, startProxy) => {
  if (find(name) === undefined) {
    it.skip(`${name} is missing`)
    return
  }
  const scope = fileScope()
  let postgres: Postgres
  let service: Service
  let proxy: Proxy
  let uploads: string

  beforeAll(async () => {
    postgres = await startPostgres(scope, { version: 18 })
    const kind = 'withPieces'
    const env = { DATABASE_URL: postgres.url }
    await migrate(scope, { kind, env })
    uploads = await temporaryFolder(scope, 'uploads')
    service = await startService(scope, { kind, env: { ...env, UPLOAD_DIR: uploads, TRUSTED_PROXIES: '1' } })
    // The second instance does not exist: its requests must go to the first.
    proxy = await startProxy(scope, [service.port, await freePort()])
  })
  afterAll(scope.end)

  it('documents are written, listed, read and deleted', () => useDocuments(proxy.url))

  it('a client that hangs up stops its statement', async () => {
    await hangUp(proxy.url, postgres)
    await service.line(({ status, cause }) => status === 499 && cause === 'ClientDisconnected')
  })

  it('hang-ups of many clients stop their own statements, and no other', () =>
    hangUpBesideInnocents(proxy.url, postgres, { rounds: 10, each: 4 }))

  it('a client that leaves ends the stream of rows that it reads', () => streamRows(proxy.url, postgres))

  it('the proxy passes on the deadline that a caller sends', async () => {
    const headers = { 'x-envoy-expected-rq-timeout-ms': '300' }
    const { status } = await open(`${proxy.url}/probe/query?seconds=30`, 'GET', headers).answer
    expect(status).toBe(504)
    await eventually(async () => (await running(postgres, 'pg_sleep')) === 0)
  })

  it("the client's address is that of the proxy's peer, whatever header the client sends", async () => {
    const url = new URL('/documents', proxy.url)
    const headers = {
      'x-request-id': `from-${name}`,
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-proto': 'https',
      forwarded: 'for=6.6.6.6',
    }
    // The whole of 127.0.0.0/8 is this machine.
    const sent = request(url, { localAddress: '127.0.0.2', headers }, (response) => response.resume()).end()
    await once(sent, 'close')
    expect(await service.line(({ requestId }) => requestId === `from-${name}`)).toMatchObject({
      client: '127.0.0.2',
    })
  })

  it('an upload is streamed: its first half is on disk before the client has sent the second', async () => {
    const content = randomBytes(4_000_000)
    const client = upload(proxy.port, content.length)
    client.request.write(content.subarray(0, 2_000_000))
    await eventually(async () => (await bytesIn(uploads)) > 1_500_000, 20_000)
    client.request.write(content.subarray(2_000_000))
    client.request.end(tail)
    const { status, body } = await client.answer
    expect([status, body]).toEqual([201, expect.stringContaining(hashOf(content))])
  })

  it('each event arrives when it is published, and a client that leaves is noticed', async () => {
    const client = follow(`from-${name}-events`)
    await client.received('retry: ')
    for (const text of ['one', 'two']) {
      await publish(text)
      await client.received(`data: {"text":"${text}"}`)
    }
    client.leave()
    const left = await service.line(({ requestId, msg }) => requestId === client.id && msg === 'request')
    expect(left).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  })

  it('its comments keep a silent stream open that the proxy would close', async () => {
    const client = follow(`from-${name}-silence`)
    await client.received('\n:\n\n:\n\n')
    client.leave()
  })

  it('a client that leaves in the middle of an upload leaves no file and no row', async () => {
    const before = { bytes: await bytesIn(uploads), rows: await rows() }
    const client = upload(proxy.port, 4_000_000)
    client.answer.catch(() => undefined)
    client.request.write(randomBytes(2_000_000))
    await eventually(async () => (await bytesIn(uploads)) > before.bytes + 1_500_000, 20_000)
    client.request.destroy()
    await eventually(async () => (await bytesIn(uploads)) === before.bytes, 20_000)
    expect(await rows()).toBe(before.rows)
  })

  /** Follows the events through the proxy. */
  function follow(id: string) {
    let text = ''
    let look = (): void => undefined
    const headers = { 'x-request-id': id, 'accept-encoding': 'gzip' }
    const sent = request(new URL('/news/events', proxy.url), { headers, agent: false }, (response) => {
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
        look()
      })
      response.on('error', () => undefined)
    })
    const failed = new Promise<never>((_resolve, reject) => {
      sent.on('close', () => reject(new Error(`the stream has ended: ${text}`)))
    })
    failed.catch(() => undefined)
    sent.on('error', () => undefined).end()
    return {
      id,
      leave: () => sent.destroy(),
      received: (part: string) => {
        const come = new Promise<void>((resolve) => {
          look = () => text.includes(part) && resolve()
          look()
        })
        return Promise.race([come, failed])
      },
    }
  }

  async function publish(text: string): Promise<void> {
    await postgres.sql(`insert into news_events (data) values ('{"text":"${text}"}')`)
  }

  async function rows(): Promise<unknown> {
    return (await postgres.sql('select count(*)::int as count from documents'))[0]?.['count']
  }
})

const head = '--frontier\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n'
const tail = '\r\n--frontier--\r\n'

/** Begins to upload a document of `bytes`, with a Content-Length. */
function upload(port: number, bytes: number) {
  const sent = request({
    ...{ port, path: '/documents', method: 'POST', agent: false },
    headers: {
      'content-type': 'multipart/form-data; boundary=frontier',
      'content-length': head.length + bytes + tail.length,
    },
  })
  const answer = new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    sent.on('error', reject).on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode, body }))
    })
  })
  sent.write(head)
  return { request: sent, answer }
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder)
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
