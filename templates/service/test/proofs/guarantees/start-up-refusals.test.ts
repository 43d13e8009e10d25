/**
 * Promise: A start retries a database that may still answer, and fails at once if Postgres or a pooler refuses it for good.
 * Go: `pgx.Connect(ctx, url)` in a loop, until an error that waiting cannot change
 * Held by: src/platform/database/database.ts, src/platform/database/answer.ts, src/platform/telemetry/environment.ts
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import { expect, inject, test, type TestContext } from 'vitest'
import { createDatabase } from '../../support/postgres.ts'
import { startProcess } from '../../support/service.ts'
import { certificate, privateKey } from '../support/certificate.ts'

test.for([
  ['a certificate that nobody trusts', 'sslmode=verify-full', 'tls', 'self-signed certificate'],
  ['a server without TLS', 'sslmode=verify-full', 'no tls', 'The server does not support SSL connections'],
  ['a right that is missing', '', '42501', 'refused with 42501'],
  ['a password that is wrong', '', '28P01', 'refused with 28P01'],
  ['a setting that the server does not take', '', '22023', 'refused with 22023'],
  ['a password that is wrong, by PgBouncer', '', '08P01 SASL authentication failed', 'SASL authentication'],
  ['a database that PgBouncer does not know', '', '08P01 no such database: none', 'no such database: none'],
  [
    'a setting that PgBouncer does not take',
    'statement_timeout=100',
    '08P01 unsupported startup parameter: statement_timeout',
    'unsupported startup parameter: statement_timeout',
  ],
] as const)(
  'a refusal that waiting cannot change ends the start at once, with the reason: %s',
  async ([, query, kind, reason], t) => {
    const { port, connections } = await refusingServer(t, kind)
    const service = startProcess(t, {
      env: { DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/none?${query}` },
    })

    expect((await service.exited).code).toBe(1)

    expect(service.log.at(-1)?.msg).toMatch(
      new RegExp(`^start-up failed: the database at 127.0.0.1:${port}/none .*${reason}`),
    )
    expect(connections()).toBe(1)
  },
)

test('a missing password ends the start at once', async (t) => {
  const { host, port } = new pg.Client(inject('postgres').url)
  const service = startProcess(t, { env: { DATABASE_URL: `postgres://postgres@${host}:${port}/postgres` } })

  expect((await service.exited).code).toBe(1)

  expect(service.log.at(-1)?.msg).toMatch(/client password must be a string$/)
  expect(service.log.at(-1)?.msg).not.toContain('STARTUP_TIMEOUT_MS')
})

test('the start retries a pooler that is full', async (t) => {
  const { port, connections } = await refusingServer(t, '08P01 no more connections allowed')
  const service = startProcess(t, {
    env: { DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/none`, STARTUP_TIMEOUT_MS: '4000' },
  })

  expect((await service.exited).code).toBe(1)

  expect(connections()).toBeGreaterThan(1)
})

test('an unknown host may still appear: the start retries until STARTUP_TIMEOUT_MS', async (t) => {
  const env = { DATABASE_URL: 'postgres://nobody@nowhere.invalid/none', STARTUP_TIMEOUT_MS: '4000' }
  const service = startProcess(t, { env })

  expect((await service.exited).code).toBe(1)

  expect(service.log.some(({ msg }) => msg === 'waiting for the database')).toBe(true)
  expect(service.log.at(-1)?.msg).toMatch(
    /^start-up failed: the database at nowhere.invalid:5432\/none .*nowhere.invalid/,
  )
})

test('a URL without a host connects to a Unix socket', async (t) => {
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  const { user = '', password = '', database = '', host, port } = new pg.Client(url)
  const dir = await mkdtemp(join(tmpdir(), 'socket-'))
  t.onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const socket = createServer((client) => {
    const upstream = connect(port, host)
    client.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => client.destroy()).pipe(client)
  }).listen(join(dir, '.s.PGSQL.5432'))
  t.onTestFinished(() => void socket.close())

  const service = startProcess(t, {
    env: { DATABASE_URL: `postgres://${user}:${password}@/${database}?host=${dir}`, UPLOAD_DIR: dir },
  })

  await service.line(({ msg }) => msg === 'listening')
})

test('malformed OTEL_* variables are logged at the start, without their values', async (t) => {
  const service = startProcess(t, {
    env: {
      DATABASE_URL: 'postgres://service@127.0.0.1:1/nowhere',
      STARTUP_TIMEOUT_MS: '300',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization: Bearer hunter2',
    },
  })

  const { msg } = await service.line((line) => line.level === 'warn')

  expect(msg).toMatch(/^telemetry: OTEL_EXPORTER_OTLP_HEADERS: entry 1 is not sent whole; write name=value/)
  await service.exited
  expect(JSON.stringify(service.log)).not.toContain('hunter2')
})

/** A server that speaks just enough of Postgres's protocol to refuse connections, and counts them. */
async function refusingServer(
  t: TestContext,
  kind: string,
): Promise<{ port: number; connections(): number }> {
  let seen = 0
  const server = createServer((socket) => {
    seen++
    socket.on('error', () => undefined)
    socket.once('data', () => {
      if (kind === 'no tls') return void socket.end('N')
      if (kind === 'tls') {
        socket.write('S')
        return void new TLSSocket(socket, { isServer: true, cert: certificate, key: privateKey }).on(
          'error',
          () => undefined,
        )
      }
      // An ErrorResponse: https://www.postgresql.org/docs/current/protocol-message-formats.html
      const [state, ...words] = kind.split(' ')
      const text = words.length > 0 ? words.join(' ') : `refused with ${kind}`
      socket.end(message('E', `SFATAL\0C${state ?? ''}\0M${text}\0\0`))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, connections: () => seen }
}

function message(type: string, body: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + body.length)
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body, 'latin1')])
}
