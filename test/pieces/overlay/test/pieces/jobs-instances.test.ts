import pg from 'pg'
import { expect, inject, test } from 'vitest'
import { makeDatabase } from '../../scripts/postgres/databases.ts'
import { migrateDatabase } from '../../scripts/postgres/migrations.ts'
import { eventually, open, running } from '../support/client.ts'
import { startCollector } from '../support/otlp.ts'
import { createDatabase } from '../support/postgres.ts'
import { startProxy, type Link } from '../proofs/support/proxy.ts'
import {
  another,
  startProcess,
  startService,
  type LogLine,
  type RunningService,
  type StartedProcess,
} from '../support/service.ts'

test('an instance that cannot prove that it is alive stops its jobs before another instance may run them', async (t) => {
  const service = await startService(t, { probe: true })
  const id = await enqueue(service, 'seconds=2')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  await service.sql(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`,
  )

  expect(await service.line(ran(id, 'given back'))).toMatchObject({ cause: 'LeaseLost' })
  await eventually(async () => {
    expect(await running(service, 'as asleep')).toBeLessThan(2)
    return service.log.some(ran(id, 'done'))
  }, 15_000)
  await eventually(async () => (await waiting(service)).length === 0)
})

test('a job that is cancelled while the database is away is given back as soon as the database answers', async (t) => {
  const database = await createDatabase()
  t.onTestFinished(() => database.drop())
  const proxy = await startProxy(t, database.url)
  let lease: Link | undefined
  proxy.toServer = (link, bytes) => {
    if (bytes.includes('pg_advisory_lock(')) lease = link
    return undefined
  }
  const service = await startService(t, { probe: true, env: { DATABASE_URL: proxy.url } })
  const id = await enqueue(service, 'seconds=3')
  await service.line(({ msg }) => msg === 'listening')
  const observer = new pg.Client({ connectionString: database.url })
  await observer.connect()
  t.onTestFinished(() => observer.end())
  const rowsOf = async (text: string) => (await observer.query<Record<string, unknown>>(text)).rows
  await eventually(
    async () =>
      (
        await rowsOf(
          `select from pg_stat_activity where query like '%as asleep%' and state = 'active' and pid <> pg_backend_pid()`,
        )
      ).length === 1,
  )
  const away = new Promise<void>((resolve) => {
    proxy.toServer = (link, bytes) => {
      // Neither the result nor the giving back arrives.
      if (bytes.includes('last_error') || bytes.includes('unlock_workers')) link.cut()
      if (bytes.includes('unlock_workers')) resolve()
      return undefined
    }
  })

  lease?.cut()

  await service.line(ran(id, 'given back'))
  await away
  proxy.toServer = () => undefined
  // Not the second: to be cancelled is no failure.
  expect(await service.line(ran(id, 'done'))).toMatchObject({ attempt: 1 })
  await eventually(
    async () => (await rowsOf(`select from graphile_worker.jobs where id = ${id}`)).length === 0,
  )
})

test('a worker reconnects when its server turns read-only, and works again when the server is writable', async (t) => {
  const service = await startService(t, { probe: true })
  const readOnly = (how: string) =>
    service.sql(`do $$ begin execute format('alter database %I ${how}', current_database()); end $$`)
  const anew = () => service.log.filter(({ msg }) => msg === 'jobs: starting again')
  await readOnly('set default_transaction_read_only = on')
  await service.sql(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)
  // Once for the lease, which was lost with its connection; after that for refused writes.
  await eventually(async () => anew().length >= 2, 20_000)
  expect(JSON.stringify(anew()[1])).toContain('the database cannot be written')

  await readOnly('reset default_transaction_read_only')

  await eventually(async () => (await fetch(`${service.url}/readyz`)).status === 200)
  const id = await enqueue(service, 'seconds=0')
  expect(await service.line(ran(id, 'done'))).toMatchObject({ attempt: 1 })
})

test('a role that may not create schemas migrates the tables if the schemas exist', async (t) => {
  const { url } = inject('postgres')
  const database = await makeDatabase(url)
  t.onTestFinished(() => database.drop())
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  t.onTestFinished(() => admin.end())
  const role = `migrator_of_${database.name}`
  await admin.query(`create role ${role} login password 'of-a-test'`)
  t.onTestFinished(async () => {
    await admin.query(`drop owned by ${role} cascade; drop role ${role}`)
  })
  for (const schema of ['drizzle', 'graphile_worker', 'events'])
    await admin.query(`create schema ${schema} authorization ${role}`)
  await admin.query(`grant usage, create on schema public to ${role}`)
  const own = new URL(database.url)
  Object.assign(own, { username: role, password: 'of-a-test' })

  expect(await migrateDatabase(own.href)).toBeGreaterThan(0)
  expect(await migrateDatabase(own.href)).toBe(0)
})

test('each run has its own trace, which links to the trace that enqueued the job', async (t) => {
  const collector = await startCollector(t)
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  }
  const service = await startService(t, { probe: true, env })
  const id = await enqueue(service, 'seconds=0')
  const line = await service.line(ran(id, 'done'))

  const found = (name: string) => collector.spans.find((span) => span.name === name)
  await collector.until(() => found('process probe') !== undefined && found('POST /probe/jobs') !== undefined)

  const [run, request] = [found('process probe'), found('POST /probe/jobs')]
  expect(run).toMatchObject({ parentSpanId: '', traceId: line['traceId'] })
  expect(run?.traceId).not.toBe(request?.traceId)
  expect(run?.links.map(({ traceId }) => traceId)).toEqual([request?.traceId])
  expect(line['enqueuedIn']).toBe(request?.traceId)
  const statement = collector.spans.find(({ attributes }) =>
    String(attributes['db.query.text']).includes('as asleep'),
  )
  expect(statement).toMatchObject({ traceId: run?.traceId, parentSpanId: run?.spanId })
})

test('a service does not start without the tables of graphile-worker, and names the command to run', async (t) => {
  const { url, drop } = await makeDatabase(inject('postgres').url)
  t.onTestFinished(drop)

  const { line } = startProcess(t, { env: { DATABASE_URL: url } })

  const { msg } = await line(({ level }) => level === 'fatal')
  expect(msg).toMatch(
    /^start-up failed: the database lacks migrations \(.*graphile-worker 1,.*\): run `npm run db:migrate`/,
  )
})

test('two instances run each tick of a schedule once, and neither treats the other as dead', async (t) => {
  const env = { NODE_OPTIONS: beforeTheMinute(), LOG_LEVEL: 'debug' }
  const service = await startService(t, { probe: true, env })
  const other = another(t, service, { probe: true, env })
  await other.line(({ msg }) => msg === 'listening')
  const id = await enqueue(service, 'seconds=9')

  const due = ({ msg }: LogLine): boolean => msg === 'due'
  const [at] = await Promise.all([service.line(due), other.line(due)])

  const ticks = () => [...service.log, ...other.log].filter(({ msg }) => msg === 'tick')
  await eventually(async () => ticks().length > 0)
  await eventually(async () => {
    expect(await running(service, 'as asleep')).toBeLessThan(2)
    return (await waiting(service)).length === 0
  }, 15_000)
  expect(ticks().map(({ dueAt }) => dueAt)).toEqual([at['at']])
  const runs = () => [...runsIn(service.log), ...runsIn(other.log)]
  // The line is written after the row is deleted.
  await eventually(async () => runs().length > 0)
  expect(runs().map(({ jobId, attempt, outcome }) => [jobId, attempt, outcome])).toEqual([[id, 1, 'done']])
})

test('ticks that come while an earlier one still runs wait as one, the latest', async (t) => {
  const service = await startService(t, { probe: true, env: clock(2) })
  // It runs in the queue of the schedule, as a tick that takes long.
  const payload = JSON.stringify({ input: { seconds: 12 } })
  await service.sql(`select graphile_worker.add_job('probe', $1::json, queue_name => 'probe-minutely')`, [
    payload,
  ])
  await eventually(async () => (await running(service, 'as asleep')) === 1)
  const others: StartedProcess[] = []
  for (const minutesAgo of [1, 0]) {
    others.push(another(t, service, { probe: true, env: clock(minutesAgo) }))
    await others.at(-1)?.line(({ msg }) => msg === 'listening')
  }

  const dues = await Promise.all([service, ...others].map(({ line }) => line(({ msg }) => msg === 'due')))

  const ticks = await service.sql(
    `select payload from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
      where identifier = 'probe-minutely'`,
  )
  expect(ticks).toMatchObject([{ payload: { _cron: { ts: dues[2]?.['at'] } } }])
  const all = () => [service, ...others].flatMap(({ log }) => log).filter(({ msg }) => msg === 'tick')
  await eventually(async () => all().length > 0, 20_000)
  expect(all().map(({ dueAt }) => dueAt)).toEqual([dues[2]?.['at']])
})

test('a job that Postgres refuses to give back keeps no other job from running', async (t) => {
  const service = await startService(t, { probe: true })
  await service.sql(`create function refuse() returns trigger language plpgsql as $$ begin
      if new.attempts < old.attempts then raise exception 'never'; end if; return new; end $$;
    create trigger refuse before update on graphile_worker._private_jobs for each row execute function refuse()`)
  const id = await enqueue(service, 'seconds=20')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  await service.sql(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`,
  )

  await service.line(ran(id, 'given back'))
  const line = await service.line(({ msg }) => msg === 'jobs: a job cannot be given back, and stays failed')
  expect(line).toMatchObject({ level: 'error', jobId: id, job: 'probe' })
  const other = await enqueue(service, 'seconds=0')
  await service.line(ran(other, 'done'))
  const engines = `select from pg_stat_activity where datname = current_database() and application_name like '% jobs'`
  // The lease, the connection that listens, and at most one for each job at a time.
  expect((await service.sql(engines)).length).toBeLessThanOrEqual(6)
})

test('while Postgres has no connection left for the jobs, a start waits for one', async (t) => {
  const database = await createDatabase()
  t.onTestFinished(() => database.drop())
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  t.onTestFinished(() => admin.end())
  const role = `few_of_${database.name}`
  await admin.query(
    `create role ${role} login password 'of-a-test' connection limit 1; grant ${admin.user} to ${role}`,
  )
  t.onTestFinished(async () => {
    await admin.query(`drop owned by ${role}; drop role ${role}`)
  })
  const own = new URL(database.url)
  Object.assign(own, { username: role, password: 'of-a-test' })
  const starting = startProcess(t, { probe: true, env: { DATABASE_URL: own.href, DATABASE_POOL_MAX: '1' } })
  const waits = await starting.line(({ level, msg }) => level === 'fatal' || msg.startsWith('jobs: waiting'))
  expect(waits).toMatchObject({ level: 'warn' })

  await admin.query(`alter role ${role} connection limit -1`)

  await starting.line(({ msg }) => msg === 'listening')
})

test('a service registers the names of its jobs before it serves: an enqueue that registers one blocks all others', async (t) => {
  const { url, drop } = await makeDatabase(inject('postgres').url)
  t.onTestFinished(drop)
  await migrateDatabase(url)
  const first = new pg.Client({ connectionString: url })
  await first.connect()
  t.onTestFinished(() => first.end())
  await first.query(`begin; select graphile_worker.add_job('probe')`)

  const starting = startProcess(t, {
    probe: true,
    env: { DATABASE_URL: url, STARTUP_TIMEOUT_MS: '4000' },
  })

  const { msg } = await starting.line(({ level, msg }) => level === 'fatal' || msg === 'listening')
  expect(msg).toMatch(/^start-up failed: it took longer than 4000 ms/)
})

/** @returns the job's id */
async function enqueue({ url }: RunningService, query: string, headers = {}): Promise<string> {
  const { status, body } = await open(`${url}/probe/jobs?${query}`, 'POST', headers).answer
  expect(status, body).toBe(202)
  return (JSON.parse(body) as { id: string }).id
}

/** Matches the log line about a run of this job with this outcome. */
function ran(id: string, outcome: string) {
  return (line: LogLine): boolean => line.msg === 'job' && line['jobId'] === id && line['outcome'] === outcome
}

/** The lines about runs, without the probe's schedule, which may run at any time. */
function runsIn(log: readonly LogLine[]): LogLine[] {
  return log.filter(({ msg, job }) => msg === 'job' && job !== 'probe-minutely')
}

/** The jobs in the database, without the jobs of the schedule. */
function waiting(service: RunningService): Promise<Record<string, unknown>[]> {
  return service.sql(
    "select id, attempts, locked_by, last_error from graphile_worker.jobs where task_identifier <> 'probe-minutely'",
  )
}

/** The environment of a service whose clock is 8 s before a minute. */
function clock(minutesAgo: number): Record<string, string> {
  return { NODE_OPTIONS: beforeTheMinute(minutesAgo), LOG_LEVEL: 'debug' }
}

/** A module that sets the clock of its process to 8 s before the current minute, or an earlier one. */
function beforeTheMinute(minutesAgo = 0): string {
  const minute = Date.now() - (Date.now() % 60_000) - minutesAgo * 60_000
  const source = `const Real = Date, back = Real.now() - ${minute} + 8000
    globalThis.Date = class extends Real {
      constructor(...args) { if (args.length === 0) super(Real.now() - back); else super(...args) }
      static now() { return Real.now() - back }
    }`
  return `--import data:text/javascript,${encodeURIComponent(source)}`
}
