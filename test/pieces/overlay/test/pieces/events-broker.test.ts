/** Kinds of brokers: how the service connects, what the broker refuses, and a broker that hangs. */
import { execFileSync, spawn } from 'node:child_process'
import { on } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { AckPolicy } from '@nats-io/jetstream'
import { expect, test } from 'vitest'
import { endWithThisProcess } from '../../scripts/postgres/watchdog.ts'
import { freePort } from '../../scripts/postgres/address.ts'
import { startBroker } from '../support/broker.ts'
import { eventually, running } from '../support/client.ts'
import { effects, outcome, send, start, type } from '../support/handling.ts'
import { asOperator, makeStream } from '../support/operator.ts'
import { publish, waiting } from '../support/publishing.ts'
import { startService, type LogLine, type RunningService, type RunningTest } from '../support/service.ts'

const slow = { timeout: 90_000 }
const password = 'p%3A%2Fss-word'

test.each([
  ['a user and a password', 'authorization { user: app, password: "p:/ss-word" }', `app:${password}@`],
  ['a token', 'authorization { token: "t:/oken" }', 't%3A%2Foken@'],
])('%s open the broker, and are not in the log', slow, async (_what, config, credentials) => {
  const t = cleanUp()
  try {
    const port = await startNatsWith(t, config)
    const service = await serve(t, `nats://${credentials}127.0.0.1:${port}`)
    await publish(service, 'text=x')
    await eventually(async () => (await waiting(service)) === 0, 20_000)
    noSecret(service)

    const refused = await serve(t, `nats://app:wrong-${password}@127.0.0.1:${port}`)
    const line = await refused.line(noBroker)
    expect(JSON.stringify(line)).toMatch(/authorization violation/i)
    expect((await fetch(`${refused.url}/readyz`)).status).toBe(200)
    noSecret(refused)
  } finally {
    await t.end()
  }
})

test(
  'TLS, by the name in the certificate and its authority; another authority is refused',
  slow,
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tls-'))
    t.onTestFinished(() => rm(folder, { recursive: true }))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
        ...[
          '-subj',
          '/CN=localhost',
          '-addext',
          'subjectAltName=DNS:localhost',
          '-keyout',
          key,
          '-out',
          cert,
        ],
      ],
      { stdio: 'ignore' },
    )
    const port = await startNatsWith(t, `tls { cert_file: "${cert}", key_file: "${key}" }`)

    const service = await serve(t, `tls://localhost:${port}`, { NODE_EXTRA_CA_CERTS: cert })
    await publish(service, 'text=x')
    await eventually(async () => (await waiting(service)) === 0, 20_000)

    const distrusting = await serve(t, `tls://localhost:${port}`)
    expect(JSON.stringify(await distrusting.line(noBroker))).toMatch(/self.signed/i)
  },
)

test('one running node of several is enough', slow, async (t) => {
  const port = await startNatsWith(t, '')
  const gone = await freePort(false)

  const service = await serve(t, `nats://127.0.0.1:${gone}, nats://127.0.0.1:${port},nats://[::1]:${gone}`)

  await publish(service, 'text=x')
  await eventually(async () => (await waiting(service)) === 0, 20_000)
})

test(
  'a type whose stream the broker refuses delays no other type; once the stream can be created, its events are handled',
  slow,
  async (t) => {
    const broker = await startBroker(t)
    const { manager } = await asOperator(t, broker)
    await manager.streams.add({ name: 'other', subjects: [`events.${type}.>`] })
    const { service } = await start(t, {}, broker)
    await service.line(({ msg }) => msg === `consumers: events ${type} wait in the broker, trying again`)
    await publish(service, 'text=refused')
    await service.line(({ msg }) => msg === 'outbox: events wait')
    const invoice = { id: '1', text: 'x' }
    await broker.send('invoice-paid-v1', '1', invoice)
    await service.line((line) => line['event'] === 'invoice-paid-v1' && line['outcome'] === 'handled')
    // The pauses grow: two failures of the first second were not logged.
    expect(service.log.filter(({ msg }) => msg.includes('wait in the broker')).length).toBeLessThan(3)

    await manager.streams.delete('other')

    await eventually(async () => (await waiting(service)) === 0, 40_000)
    await eventually(async () => (await effects(service)).length === 1, 20_000)
  },
)

test('a stream and consumers that are deleted while the service runs are created again', slow, async (t) => {
  const { broker, service } = await start(t)
  const { manager } = await asOperator(t, broker)
  await service.line(outcome('handled', await send(broker, 'a', '1')))
  const week = 7 * 86_400e9
  const asMade = {
    max_age: week,
    storage: 'file',
    num_replicas: 1,
    discard: 'old',
    max_msgs: -1,
    max_bytes: -1,
  }
  expect((await manager.streams.info(type)).config).toMatchObject(asMade)

  await manager.streams.delete(type)
  await eventually(
    async () => (await manager.streams.info(type).catch(() => undefined)) !== undefined,
    20_000,
  )

  await service.line(outcome('handled', await send(broker, 'a', '2')))
  await manager.consumers.delete(type, `mainstem-service-${type}-0`)
  await eventually(
    async () =>
      (await manager.consumers.info(type, `mainstem-service-${type}-0`).catch(() => undefined)) !== undefined,
    20_000,
  )
})

test('a consumer with another configuration is updated to what the service needs', slow, async (t) => {
  const broker = await startBroker(t)
  const { manager } = await asOperator(t, broker)
  await makeStream(broker, type, {})
  const name = `mainstem-service-${type}-3`
  await manager.consumers.add(type, {
    ...{ durable_name: name, filter_subject: `events.${type}.3`, max_ack_pending: 50, max_deliver: 3 },
    ...{ ack_policy: AckPolicy.Explicit, description: 'of the operator' },
  })

  await start(t, {}, broker)

  await eventually(
    async () => (await manager.consumers.info(type, name)).config.max_ack_pending === 1,
    20_000,
  )
  expect((await manager.consumers.info(type, name)).config).toMatchObject({
    ...{ description: 'of the operator', ack_wait: 5_000_000_000 },
    // After three deliveries that nobody acknowledges the broker would forget an event.
    max_deliver: -1,
  })
})

test(
  'a stream lacks the subjects: its events wait until it has them, even if another stream has them',
  slow,
  async (t) => {
    const broker = await startBroker(t)
    const { manager } = await asOperator(t, broker)
    const subjects = [`events.${type}.*`]
    await manager.streams.add({ name: type, subjects: ['elsewhere'] })
    const { service } = await start(t, {}, broker)
    await publish(service, 'text=first')
    expect(JSON.stringify(await service.line(({ msg }) => msg === 'outbox: events wait'))).toContain(
      `no stream ${type} with the subjects events.${type}.*: add them`,
    )

    await manager.streams.add({ name: 'audit', subjects })
    await publish(service, 'key=other&text=second')
    await service.line(({ msg, err }) => msg === 'outbox: events wait' && refusedElsewhere(err))
    expect(await waiting(service)).toBe(2)
    await manager.streams.delete('audit')
    await manager.streams.update(type, { subjects })

    await eventually(async () => (await waiting(service)) === 0, 40_000)
    await eventually(async () => (await effects(service)).length === 1, 40_000)
    // The two have different keys, so neither waits for the other.
    await eventually(async () => (await effects(service, 'other')).length === 1, 40_000)
    expect(await effects(service, 'other')).toEqual(['second'])
  },
)

test.each([
  ['an account without JetStream', 'accounts { A { users [{ user: app, password: p }] } }', 'JetStream'],
  [
    'a user who may not ask JetStream',
    'authorization { users [{ user: app, password: p, permissions: { publish: ["events.>"] } }] }',
    'Permissions Violation for Publish to \\"$JS.API.INFO\\"',
  ],
])('%s: the log says so, and the service serves', slow, async (_what, config, cause) => {
  const t = cleanUp()
  try {
    const port = await startNatsWith(t, config)
    const service = await serve(t, `nats://app:p@127.0.0.1:${port}`)
    expect(JSON.stringify(await service.line(noBroker))).toContain(cause)
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  } finally {
    await t.end()
  }
})

test(
  'a broker whose store is full says so in the log, and gets the events when it has room again',
  slow,
  async (t) => {
    const port = await startNatsWith(t, '', 'max_file_store: 300KB')
    const url = `nats://127.0.0.1:${port}`
    const service = await serve(t, url)
    await service.sql(
      `insert into events.outbox (id, type, key, headers, data)
      select gen_random_uuid(), $1, n::text, '{}', json_build_object('key', n::text, 'text', repeat('x', 60000))
      from generate_series(1, 8) as n`,
      [type],
    )
    const line = await service.line(({ msg }) => msg === 'outbox: events wait')
    expect(JSON.stringify(line)).toMatch(/insufficient|maximum|resource/i)
    expect(await waiting(service)).toBeGreaterThan(0)
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)

    const { manager } = await asOperator(t, { url })
    await manager.streams.purge(type)

    await eventually(async () => (await waiting(service)) === 0, 60_000)
  },
)

test('a broker that hangs: the service serves, and stops in time', slow, async (t) => {
  const broker = await startBroker(t)
  const { service } = await start(t, { SHUTDOWN_DRAIN_MS: '2000' }, broker)
  await service.line(outcome('handled', await send(broker, 'a', 'before')))
  broker.signal('SIGSTOP')
  t.onTestFinished(() => {
    broker.signal('SIGCONT')
    return Promise.resolve()
  })
  await publish(service, 'text=x')
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)

  const stoppedAt = performance.now()
  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - stoppedAt).toBeLessThan(7_000)
})

test('SIGTERM while there is no broker ends the service at once', slow, async (t) => {
  const service = await serve(t, `nats://127.0.0.1:${await freePort(false)}`)
  await service.line(noBroker)
  const stoppedAt = performance.now()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - stoppedAt).toBeLessThan(3_000)
})

test('a second signal during a handler ends the process', slow, async (t) => {
  const { broker, service } = await start(t)
  await send(broker, 'a', 'sleep 8')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  service.signal('SIGTERM')
  await service.line(({ msg }) => msg === 'draining')
  // The same signal within a tenth of a second would be the first one again.
  service.signal('SIGINT')

  expect(await service.exited).toEqual({ code: 130, signal: null })
})

function noBroker({ msg }: LogLine): boolean {
  return msg === 'outbox: no broker, trying again'
}

function refusedElsewhere(err: unknown): boolean {
  return JSON.stringify(err).includes('expected stream does not match')
}

function noSecret({ log }: RunningService): void {
  expect(JSON.stringify(log)).not.toMatch(/p:\/ss|p%3A|t:\/oken|t%3A/)
}

function serve(t: RunningTest, url: string, env = {}): Promise<RunningService> {
  return startService(t, { probe: true, env: { BROKER_URL: url, ...env } })
}

/** For test.each, whose function gets no test context. */
function cleanUp(): RunningTest & { end(): Promise<void> } {
  const all: (() => Promise<void>)[] = []
  return {
    onTestFinished: (fn) => all.push(fn),
    async end() {
      for (const fn of all.reverse()) await fn()
    },
  }
}

/** Starts a nats-server with JetStream and lines of its configuration, and of its store's. @returns its port */
async function startNatsWith(t: RunningTest, config: string, store = ''): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'nats-'))
  const port = await freePort(false)
  const file = join(dir, 'nats.conf')
  await writeFile(
    file,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${dir}"\n ${store} }\n${config}\n`,
  )
  const child = spawn('nats-server', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  endWithThisProcess(child, 'TERM')
  t.onTestFinished(async () => {
    child.kill('SIGKILL')
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  for await (const [line] of on(createInterface({ input: child.stderr }), 'line')) {
    if (String(line).includes('Server is ready')) break
  }
  return port
}
