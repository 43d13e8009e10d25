/** The emitted service behind PgBouncer, as docs/neighbours.md configures it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, hangUpBesideInnocents, open, streamRows, useDocuments } from './support/clients.ts'
import { fileScope } from './support/daemon.ts'
import { startPgBouncer, type PgBouncer } from './support/pgbouncer.ts'
import { running, startPostgres, type Postgres } from './support/postgres.ts'
import { find } from './support/programs.ts'
import { migrate, startService, type Service } from './support/service.ts'

describe.skipIf(find('pgbouncer') === undefined).each(['session', 'transaction'] as const)(
  'behind PgBouncer in %s mode',
  (mode) => {
    const scope = fileScope()
    let postgres: Postgres
    let pgbouncer: PgBouncer
    let service: Service

    beforeAll(async () => {
      postgres = await startPostgres(scope, { version: 18 })
      pgbouncer = await startPgBouncer(scope, postgres, mode)
      const env = { DATABASE_URL: pgbouncer.url }
      expect(await migrate(scope, { env })).toHaveLength(1)
      service = await startService(scope, { env })
    })
    afterAll(scope.end)

    it('is ready, and a second migration finds nothing to do', async (t) => {
      expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
      expect(await migrate(t, { env: { DATABASE_URL: pgbouncer.url } })).toEqual([])
    })

    it('documents are written, listed, read and deleted', () => useDocuments(service.url))

    it('a client that hangs up stops its statement, and no other', async () => {
      await hangUpBesideInnocents(service.url, postgres, { rounds: 40, each: 4 })
      expect(pgbouncer.running(), pgbouncer.log()).toBe(true)
    })

    it('a deadline stops its statement', async () => {
      const headers = { 'x-envoy-expected-rq-timeout-ms': '300' }
      const { status } = await open(`${service.url}/probe/query?seconds=30`, 'GET', headers).answer
      expect(status).toBe(504)
      await eventually(async () => (await running(postgres, 'pg_sleep')) === 0)
    })

    it('a transaction has a statement_timeout, which does not outlast it', async () => {
      const { statementTimeoutMs } = (await (await fetch(`${service.url}/probe/transaction`)).json()) as {
        statementTimeoutMs: number
      }
      expect(statementTimeoutMs).toBeGreaterThan(0)
      expect(statementTimeoutMs).toBeLessThanOrEqual(20_000)
      expect((await fetch(`${service.url}/probe/query?seconds=0`)).status).toBe(200)
    })

    it('rows are streamed, and a client that leaves ends the stream', () => streamRows(service.url, postgres))

    it('nothing is left behind: no statement, no open transaction', async () => {
      const busy = `select count(*)::int as count from pg_stat_activity
        where usename = 'app' and state <> 'idle'`
      await eventually(async () => (await postgres.sql(busy))[0]?.['count'] === 0)
      expect((await fetch(`${service.url}/documents`)).status).toBe(200)
    })
  },
)

it.skipIf(find('pgbouncer') === undefined)(
  'a hang-up ends a statement that waits inside PgBouncer, and the service keeps working',
  async (t) => {
    const postgres = await startPostgres(t, { version: 18 })
    const pgbouncer = await startPgBouncer(t, postgres, 'transaction', 2)
    const env = { DATABASE_URL: pgbouncer.url }
    await migrate(t, { env })
    const service = await startService(t, { env })
    const leavers = Array.from({ length: 6 }, () => open(`${service.url}/probe/query?seconds=30`))
    await eventually(async () => (await running(postgres, 'pg_sleep')) === 2, 20_000)
    await eventually(async () => (await underWay(service)) === 6, 20_000)

    for (const leaver of leavers) leaver.hangUp()

    await eventually(async () => (await underWay(service)) === 0, 20_000)
    await eventually(async () => (await running(postgres, 'pg_sleep')) === 0, 20_000)
    await useDocuments(service.url)
    expect(pgbouncer.running(), pgbouncer.log()).toBe(true)
  },
)

/** How many requests are under way, as the service reports it. */
async function underWay({ adminPort }: Service): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  const counts = metrics.matchAll(/^http_server_active_requests\{.*\} (\d+)/gm)
  return Array.from(counts, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0)
}

describe.skipIf(find('pgbouncer') === undefined)('jobs behind PgBouncer in session mode', () => {
  it('are run', async (t) => {
    const postgres = await startPostgres(t, { version: 18 })
    const { url } = await startPgBouncer(t, postgres, 'session')
    const options = { kind: 'withPieces', env: { DATABASE_URL: url } } as const
    await migrate(t, options)
    const service = await startService(t, options)
    const response = await fetch(`${service.url}/probe/jobs?seconds=0`, { method: 'POST' })
    expect(response.status).toBe(202)
    const line = await service.line(({ msg, job }) => msg === 'job' && job === 'probe')
    expect(line).toMatchObject({ outcome: 'done' })
  })
})
