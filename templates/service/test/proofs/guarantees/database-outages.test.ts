/**
 * Promise: While the database is full, down or silent, requests get 503 in time, and the service recovers by itself; a busy pool is not an outage.
 * Go: `db.PingContext(ctx)`, `driver.ErrBadConn`
 * Held by: src/platform/database/database.ts, src/platform/database/errors.ts, src/health/health.routes.ts
 */
import { sql } from 'drizzle-orm'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import { cause, withCancel, type Context } from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { migrateDatabase } from '../../../scripts/postgres/migrations.ts'
import type { Queries } from '../../../src/platform/database/queries.ts'
import { openDatabase, type Database } from '../../../src/platform/database/database.ts'
import { certificate, privateKey } from '../support/certificate.ts'
import { eventually, liveContexts, open, running } from '../../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import { startOwnServer, type OwnServer } from '../support/own-server.ts'
import { createDatabase } from '../../support/postgres.ts'
import { startProxy, type Proxy } from '../support/proxy.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { startService, type RunningService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const query = '/probe/query?seconds=0'

describe.concurrent('a network that fails:', () => {
  test('while the database refuses connections, requests get 503 at once with Retry-After and the service is not ready; it recovers by itself', async (t) => {
    const { service, proxy } = await startBehindProxy(t)

    await proxy.close()

    await expectUnavailable(service)
    expect((await fetch(`${service.url}/readyz`)).status).toBe(503)
    expect((await fetch(`${service.url}/livez`)).status).toBe(200)
    await proxy.open()
    await eventually(async () => (await fetch(service.url + query)).status === 200)
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  })

  test('when the database stops answering, /readyz is 503 within a second, even if the pool is busy', async (t) => {
    const { proxy, service } = await startBehindProxy(t, { DATABASE_POOL_MAX: '1' })
    const slow = open(`${service.url}/probe/query?seconds=30`)
    const readyz = () => fetch(`${service.url}/readyz`)
    await eventually(async () => (await (await readyz()).text()).includes('all connections are in use'))
    expect((await readyz()).status).toBe(200)
    const silence = new Promise<undefined>(() => undefined)
    proxy.toServer = () => silence

    const askedAt = performance.now()
    expect((await readyz()).status).toBe(503)
    expect(performance.now() - askedAt).toBeLessThan(1_500)
    slow.hangUp()
  })

  test('a probe that hangs up does not end the check that another waits for', async (t) => {
    const { proxy, service } = await startBehindProxy(t, { LOG_LEVEL: 'debug' })
    let answer: (value: undefined) => void = () => undefined
    const held = new Promise<undefined>((resolve) => (answer = resolve))
    const asked = new Promise<void>((resolve) => {
      proxy.toServer = (_link, bytes) => {
        if (!bytes.includes('transaction_read_only')) return undefined
        resolve()
        return held
      }
    })
    const first = open(`${service.url}/readyz`, 'HEAD', { 'x-request-id': 'first' })
    await asked
    const second = open(`${service.url}/readyz`)
    await eventually(async () => (await liveContexts(service)).includes('GET /readyz'))

    first.hangUp()
    await service.line(({ requestId, msg }) => requestId === 'first' && msg === 'request')
    answer(undefined)

    expect((await second.answer).status).toBe(200)
  })

  test('while the service stops, /readyz is 503 at once, even if the database is silent', async (t) => {
    const { proxy, service } = await startBehindProxy(t, { SHUTDOWN_DELAY_MS: '2000' })
    const silence = new Promise<undefined>(() => undefined)
    proxy.toServer = () => silence

    service.signal('SIGTERM')
    await service.line(({ msg }) => msg === 'not ready')

    const ready = await fetch(`${service.url}/readyz`)
    expect(ready.status).toBe(503)
    // The database was not asked.
    expect(await ready.json()).toEqual({
      status: 'not ready',
      checks: [{ name: 'accepting', ok: false, detail: 'the service is shutting down' }],
    })
  })

  test('when the database goes silent, requests get 504 at the deadline, or 503 if they cannot connect; the service recovers', async (t) => {
    const { service, proxy } = await startBehindProxy(t)
    const silence = new Promise<undefined>(() => undefined)
    proxy.toServer = () => silence

    // On the existing connection.
    const late = await fetch(service.url + query, { headers: { 'x-envoy-expected-rq-timeout-ms': '300' } })
    expect(late.status).toBe(504)
    // First on another existing connection, then on a new one.
    for (let i = 0; i < 2; i++) await expectNotReadyInTime(service)
    await expectUnavailable(service)

    proxy.toServer = () => undefined
    await eventually(async () => (await fetch(service.url + query)).status === 200, 15_000)
  })

  test('a statement that ignores its cancel delays its caller by seconds at most, and its connection is closed', async (t) => {
    const { ctx, db, proxy, active } = await openTestDatabase(t, 1, { pooler: true })
    proxy.toServer = (link) => (link.kind === 'cancel' ? 'lose' : undefined)
    using request = withCancel(ctx)
    const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
    await eventually(async () => (await active()) === 1)

    request.cancel()

    await expect(sleeping).rejects.toBe(cause(request))
    await db.run(ctx, (q) => q.execute(sql`select 1`))
    expect(proxy.seen.session).toBe(2)
  })

  test('an unanswered ROLLBACK delays its caller by seconds at most, and its connection is closed', async (t) => {
    const { ctx, db, proxy, count } = await openTestDatabase(t, 1)
    const silence = new Promise<undefined>(() => undefined)
    proxy.toServer = (_link, bytes) => (bytes.includes('ROLLBACK') ? silence : undefined)

    const work = db.transaction(ctx, async (q) => {
      await q.execute(sql`insert into things values (1)`)
      throw new Error('on second thoughts')
    })

    await expect(work).rejects.toThrow('on second thoughts')
    await db.run(ctx, (q) => q.execute(sql`select 1`))
    expect(proxy.seen.session).toBe(2)
    expect(await count('select count(*) from things')).toBe(0)
  })
})

test('a service whose pool is fully in use stays ready', async (t) => {
  const service = await startService(t, { probe: proofs, env: { DATABASE_POOL_MAX: '1' } })
  const slow = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)

  const ready = await fetch(`${service.url}/readyz`)

  expect(ready.status).toBe(200)
  expect(await ready.json()).toMatchObject({
    checks: [{ name: 'accepting' }, { name: 'database', ok: true, detail: 'all connections are in use' }],
  })
  slow.hangUp()
})

describe('a server that turns read-only, as after a failover:', () => {
  /** New connections become read-only; existing ones do not change. */
  const readOnly = (observer: pg.Client, on: boolean) =>
    observer.query(`do $$ begin execute format('alter database %I ${on ? 'set' : 'reset'} default_transaction_read_only
      ${on ? '= on' : ''}', current_database()); end $$`)

  test('a write gets 503 with Retry-After, and the next write uses a new connection', async (t) => {
    const { ctx, db, observer, proxy, count } = await openTestDatabase(t, 3)
    await readOnly(observer, true)
    // The connections that were open before lead to the standby.
    for (const link of proxy.links) link.cut()
    const all = Array.from({ length: 3 }, () => db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.2)`)))
    await Promise.allSettled(all)
    await Promise.all(
      Array.from({ length: 3 }, () => db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.2)`))),
    )
    const write = (n: number) => db.run(ctx, (q) => q.execute(sql`insert into things values (${n})`))
    await expect(write(0)).rejects.toMatchObject({ status: 503 })

    await readOnly(observer, false)

    const outcomes = []
    for (let n = 1; n <= 10; n++) outcomes.push(await write(n).catch((error: unknown) => error))
    const failures = outcomes.filter((outcome) => outcome instanceof Error)
    // Each connection to the standby costs one failed write; the one that failed above is closed.
    expect(failures.length).toBeLessThanOrEqual(3)
    for (const failure of failures) {
      expect(failure).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
      expect(failure).toMatchObject({ cause: { name: 'QueryFailed', sqlState: '25006' } })
    }
    expect(await count('select count(*) from things')).toBe(10 - failures.length)
  })

  test('the connection is also closed in a transaction, and when the work replaces the error', async (t) => {
    const { ctx, db, observer, proxy } = await openTestDatabase(t, 1)
    await readOnly(observer, true)
    for (const link of proxy.links) link.cut()
    await eventually(() =>
      db
        .run(ctx, (q) => q.execute(sql`select 1`))
        .then(
          () => true,
          () => false,
        ),
    )
    await readOnly(observer, false)
    const insert = (q: Queries) => q.execute(sql`insert into things values (1)`)

    const work = db.transaction(ctx, (q) =>
      insert(q).catch((cause: unknown) => {
        throw new Error('not stored', { cause })
      }),
    )

    await expect(work).rejects.toThrow('not stored')
    await db.transaction(ctx, insert)
  })

  test('the service is not ready and gives the reason, and is ready again when the database is writable', async (t) => {
    const service = await startService(t, { probe: proofs, env: { DATABASE_POOL_MAX: '2' } })
    const observer = await service.connect()
    await readOnly(observer, true)
    await observer.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name <> 'test'`)
    const ready = () => fetch(`${service.url}/readyz`)
    await eventually(async () => (await ready()).status === 503)

    const answer = await ready()

    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({
      checks: [{ name: 'accepting' }, { name: 'database', ok: false, detail: 'the database is read-only' }],
    })
    // Requests that only read are served.
    expect((await fetch(service.url + query)).status).toBe(200)
    await readOnly(observer, false)
    await eventually(async () => (await ready()).status === 200)
  })
})

describe('a server that the test may stop:', () => {
  let server: OwnServer | undefined
  beforeAll(async () => {
    server = await startOwnServer().catch((error: unknown) => {
      // If no PostgreSQL from npm runs here, the tests get another server, which they must not restart.
      if (process.env['TEST_DATABASE_URL'] === undefined) throw error
      return undefined
    })
    if (server !== undefined) await migrateDatabase(server.url)
  })
  afterAll(() => server?.remove())
  const own = (t: TestContext): OwnServer => server ?? t.skip('no PostgreSQL from npm runs here')

  test('while a backend is stopped, /readyz answers 503 within a second, and 200 on another connection', async (t) => {
    const { url, sql } = own(t)
    const service = await startService(t, { probe: true, env: { DATABASE_URL: url, DATABASE_POOL_MAX: '1' } })
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
    const [backend] = await sql(
      `select pid from pg_stat_activity where query = 'show transaction_read_only' and state = 'idle'`,
    )
    const pid = Number(backend?.['pid'])
    process.kill(pid, 'SIGSTOP')
    t.onTestFinished(() => void process.kill(pid, 'SIGCONT'))

    await expectNotReadyInTime(service)

    await eventually(async () => (await fetch(`${service.url}/readyz`)).status === 200)
    expect((await fetch(service.url + query)).status).toBe(200)
  })

  test('while it has no connection left, requests get 503 with Retry-After; the service recovers by itself', async (t) => {
    const { url, sql } = own(t)
    await sql(`create role limited login password 'not-to-be-told' connection limit 1`)
    await sql('grant pg_read_all_data, pg_write_all_data to limited')
    const limited = new URL(url)
    limited.username = 'limited'
    limited.password = 'not-to-be-told'
    const service = await startService(t, { probe: proofs, env: { DATABASE_URL: limited.href } })
    const first = open(`${service.url}/probe/query?seconds=30`)
    await eventually(() => sleeps(own(t)))

    await expectUnavailable(service)

    first.hangUp()
    await eventually(async () => (await fetch(service.url + query)).status === 200)
  })

  test('while it restarts, requests get 503; the service recovers by itself', async (t) => {
    const { url, stop, start } = own(t)
    const service = await startService(t, { probe: proofs, env: { DATABASE_URL: url } })
    const running = open(`${service.url}/probe/query?seconds=30`)
    await eventually(() => sleeps(own(t)))

    await stop()

    await expect(running.answer).resolves.toMatchObject({ status: 503 })
    await expectUnavailable(service)
    await start()
    await eventually(async () => (await fetch(service.url + query)).status === 200)
  })

  test('after it restarts, cancels go to the new server', async (t) => {
    const { url, stop, start } = own(t)
    const ctx = testContext(t)
    const log = recordedLog()
    const db = await openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'subject' })
    t.onTestFinished(() => db.close(ctx))
    await cancelSleep(ctx, db, own(t))

    await stop()
    await start()
    await eventually(() =>
      db
        .run(ctx, (q) => q.execute(sql`select 1`))
        .then(
          () => true,
          () => false,
        ),
    )
    await cancelSleep(ctx, db, own(t))

    expect(log.lines.filter(({ level }) => level === 'warn')).toEqual([])
  })

  test.for([
    ['whose certificate names an address only', ''],
    ['that wants a certificate of its clients', 'certified'],
    ['that is greeted in TLS at once', 'direct'],
  ])('cancels use TLS, too, %s, on the control connection and as CancelRequests', async ([, how], t) => {
    const { url, sql: execute, write } = own(t)
    const ca = await write('server.crt', certificate)
    const key = await write('server.key', privateKey)
    await execute(`alter system set ssl = on`)
    await execute(`alter system set ssl_ca_file = 'server.crt'`)
    const [hba] = await execute(`select pg_read_file('pg_hba.conf') as text`)
    const certified = 'hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-ca'
    await write('pg_hba.conf', `${certified}\n${String(hba?.['text'])}`)
    await execute('select pg_reload_conf()')
    const role = how === 'certified' ? 'certified' : 'encrypted'
    await execute(`drop role if exists ${role}`)
    await execute(`create role ${role} login password 'not-to-be-told'`)
    const ctx = testContext(t)
    const log = recordedLog()
    const proxy = await startProxy(t, url)
    const secure = new URL(proxy.url)
    secure.username = role
    secure.password = 'not-to-be-told'
    secure.search = `?sslmode=verify-full&sslrootcert=${ca}`
    if (how === 'certified') secure.search += `&sslcert=${ca}&sslkey=${key}`
    if (how === 'direct') secure.search += '&sslnegotiation=direct'
    const db = await openDatabase(ctx, log, { url: secure.href, poolMax: 1, applicationName: 'tls' })
    t.onTestFinished(() => db.close(ctx))

    await cancelSleep(ctx, db, own(t))
    expect(log.lines.filter(({ level }) => level === 'warn')).toEqual([])
    await execute(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_cancel_backend(%' and usename = '${role}'`,
    )
    await eventually(async () => proxy.links.size === 1)
    // The control connection is refused now.
    await execute(`alter role ${role} connection limit 1`)
    await cancelSleep(ctx, db, own(t))

    // Nothing was sent unencrypted, and the connection of the statement stayed open.
    expect(proxy.seen).toMatchObject({ session: 0, cancel: 0 })
    const warnings = log.lines.filter(({ level }) => level === 'warn')
    expect(warnings.map(({ message }) => message)).toEqual([
      'statements are cancelled with CancelRequests for now',
    ])
  })
})

test('a flood of requests for /readyz shares its connections, whether the pool is full or not', async (t) => {
  const { proxy, service } = await startBehindProxy(t, { DATABASE_POOL_MAX: '2' })
  const flood = async () => {
    const before = proxy.seen.session
    const answers = Array.from({ length: 50 }, async () => (await fetch(`${service.url}/readyz`)).status)
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]))
    return proxy.seen.session - before
  }

  expect(await flood()).toBeLessThan(10)
  const held = Array.from({ length: 2 }, () => open(`${service.url}/probe/query?seconds=30`))
  const readyz = async () => (await fetch(`${service.url}/readyz`)).text()
  await eventually(async () => (await readyz()).includes('all connections are in use'))
  expect(await flood()).toBeLessThan(10)
  for (const request of held) request.hangUp()
})

/** Cancels one statement while it runs; the next statement gets its connection. */
async function cancelSleep(ctx: Context, db: Database, server: OwnServer): Promise<void> {
  const pid = async (): Promise<unknown> =>
    (await db.run(ctx, (q) => q.execute(sql`select pg_backend_pid() as pid`))).rows[0]?.['pid']
  const before = await pid()
  using request = withCancel(ctx)
  const sleeping = db.run(request, (q) => q.execute(sql`select pg_sleep(30)`))
  await eventually(() => sleeps(server))
  request.cancel()
  await expect(sleeping).rejects.toBe(cause(request))
  expect(await pid()).toBe(before)
}

async function startBehindProxy(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<{ service: RunningService; proxy: Proxy }> {
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  const proxy = await startProxy(t, url)
  return {
    proxy,
    service: await startService(t, { probe: proofs, env: { DATABASE_URL: proxy.url, ...env } }),
  }
}

async function expectUnavailable({ url }: RunningService): Promise<void> {
  const startedAt = performance.now()
  const response = await fetch(url + query)
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('1')
  expect(await response.json()).toMatchObject({ title: 'Service Unavailable' })
  expect(performance.now() - startedAt).toBeLessThan(10_000)
}

async function expectNotReadyInTime({ url }: RunningService): Promise<void> {
  const startedAt = performance.now()
  expect((await fetch(`${url}/readyz`)).status).toBe(503)
  expect(performance.now() - startedAt).toBeLessThan(1_000)
}

async function sleeps({ sql }: OwnServer): Promise<boolean> {
  const rows = await sql(
    `select from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`,
  )
  return rows.length === 1
}
