/**
 * Promise: An enqueued job is done: once if nothing fails, again after a failure, a crash or a stop, and never twice at once.
 * Go: `river.Client.InsertTx(ctx, tx, args, nil)`, and `Work(ctx, job)` under the context that `client.Stop` ends
 * Held by: src/platform/jobs/jobs.ts, src/platform/jobs/run.ts, src/platform/jobs/worker.ts, src/platform/jobs/engine.ts, src/platform/jobs/lease.ts
 */
import pg from 'pg'
import { expect, inject, test, type TestContext } from 'vitest'
import { makeDatabase, migrateDatabase } from '../../scripts/postgres/databases.ts'
import { eventually, liveTree, open, running } from '../support/client.ts'
import { startCollector } from '../support/otlp.ts'
import {
  sharedService,
  startProcess,
  startService,
  type LogLine,
  type RunningService,
  type StartedProcess,
} from '../support/service.ts'

const shared = sharedService({ probe: true })

test('a job enqueued in a transaction exists after the commit, and not after a rollback or a hang-up', async () => {
  const service = shared()
  const left = open(`${service.url}/probe/jobs?hold=30`, 'POST')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  expect((await open(`${service.url}/probe/jobs?end=rollback`, 'POST').answer).status).toBe(500)
  const id = await enqueue(service, 'seconds=0.5')

  left.hangUp()

  // The client has the answer and has closed its connection; the job that the answer promised is done.
  expect(await service.line(ran(id, 'done'))).toMatchObject({ job: 'probe', attempt: 1 })
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  const ids = runsIn(service.log).map(({ jobId }) => jobId)
  expect(ids).toEqual([id])
  // The line is written before the row is gone.
  await eventually(async () => (await waiting(service)).length === 0)
})

test('its context descends from the server’s, and is on the page of contexts', async () => {
  const service = shared()
  const id = await enqueue(service, 'seconds=1')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  const tree = await liveTree(service)

  const server = tree.children.find(({ name }) => name === 'server')
  expect(JSON.stringify(server)).toContain('"job probe"')
  await service.line(ran(id, 'done'))
  await eventually(async () => !JSON.stringify(await liveTree(service)).includes('job probe'))
})

test('a job that takes too long is cancelled in Postgres, and runs again later', async () => {
  const service = shared()
  const id = await enqueue(service, 'kind=probe-hasty&seconds=30')

  const line = await service.line(ran(id, 'failed'))

  expect(line).toMatchObject({ attempt: 1, cause: 'DeadlineExceeded' })
  expect(line['durationMs']).toBeLessThan(2_000)
  expect(await running(service, 'as asleep')).toBe(0)
  await eventually(async () =>
    (await waiting(service)).some((job) => job['attempts'] === 1 && job['id'] === id),
  )
  await service.line((entry) => ran(id, 'failed')(entry) && entry['attempt'] === 2)
  await service.sql(`select from graphile_worker.complete_jobs(array[$1]::bigint[])`, [id])
})

test('a job that fails its last attempt is given up, and stays in the database with the reason', async () => {
  const service = shared()
  const id = await enqueue(service, 'kind=probe-unlucky')

  const line = await service.line((entry) => ran(id, 'failed')(entry) && entry['attempt'] === 2)

  expect(line).toMatchObject({ level: 'error', maxAttempts: 2, err: { message: 'no luck' } })
  await eventually(async () => (await waiting(service)).some((job) => job['last_error'] === 'no luck'))
})

test('a job that inherits a deadline ends at the deadline, and does not run again', async () => {
  const service = shared()
  const headers = { 'x-envoy-expected-rq-timeout-ms': '1000' }
  const id = await enqueue(service, 'seconds=30&deadline=inherit', headers)
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  const line = await service.line(ran(id, 'too late'))

  expect(line['durationMs']).toBeLessThan(1_500)
  expect(await running(service, 'as asleep')).toBe(0)
  await eventually(async () => (await waiting(service)).every((job) => job['id'] !== id))
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

test('SIGTERM: a job that ends within the drain is done', async (t) => {
  const service = await startService(t, { probe: true })
  const id = await enqueue(service, 'seconds=1')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.find(ran(id, 'done'))).toMatchObject({ attempt: 1 })
  expect(await waiting(service)).toEqual([])
})

test('SIGTERM: a job that does not is cancelled, given back, and done once after the restart', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '100' } })
  const id = await enqueue(service, 'seconds=3')
  await eventually(async () => (await running(service, 'as asleep')) === 1)
  const stoppedAt = performance.now()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - stoppedAt).toBeLessThan(10_000)
  expect(service.log.find(ran(id, 'given back'))).toMatchObject({ cause: 'ServerShutdown' })
  expect(await running(service, 'as asleep')).toBe(0)
  const restarted = another(t, service)
  expect(await restarted.line(ran(id, 'done'))).toMatchObject({ attempt: 1 })
  restarted.child.kill('SIGTERM')
  expect(await restarted.exited).toEqual({ code: 0, signal: null })
  expect(runsIn(restarted.log).length).toBe(1)
  expect(await waiting(service)).toEqual([])
})

test('kill -9: another instance does the job once, as soon as it knows that the worker is dead', async (t) => {
  const service = await startService(t, { probe: true })
  const other = another(t, service)
  await other.line(({ msg }) => msg === 'listening')
  const ids = await Promise.all(Array.from({ length: 6 }, () => enqueue(service, 'seconds=5')))
  await eventually(async () => (await running(service, 'as asleep')) === 6)

  service.signal('SIGKILL')

  await Promise.all(ids.map((id) => other.line(ran(id, 'done'))))
  const runs = runsIn(other.log)
  expect(runs.map(({ jobId }) => jobId).sort()).toEqual([...ids].sort())
  // Its own jobs ran once; the jobs of the dead worker ran for the second time.
  const attempts = runs.map(({ attempt }) => Number(attempt)).sort()
  expect(attempts[0]).toBe(1)
  expect(attempts.at(-1)).toBe(2)
  await eventually(async () => (await waiting(service)).length === 0)
})

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

test('a worker reconnects when its server turns read-only, and works again when it can write', async (t) => {
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
  await admin.query(`create schema drizzle authorization ${role}`)
  await admin.query(`create schema graphile_worker authorization ${role}`)
  await admin.query(`grant usage, create on schema public to ${role}`)
  const own = new URL(database.url)
  Object.assign(own, { username: role, password: 'of-a-test' })

  expect(await migrateDatabase(own.href)).toBeGreaterThan(0)
  expect(await migrateDatabase(own.href)).toBe(0)
})

test('two instances run each tick of a schedule once, and neither takes the other for dead', async (t) => {
  const env = { NODE_OPTIONS: beforeTheMinute(), LOG_LEVEL: 'debug' }
  const service = await startService(t, { probe: true, env })
  const other = another(t, service, env)
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
  const runs = [...runsIn(service.log), ...runsIn(other.log)]
  expect(runs.map(({ jobId, attempt, outcome }) => [jobId, attempt, outcome])).toEqual([[id, 1, 'done']])
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

/** One more instance, on the same database. */
function another(t: TestContext, { databaseUrl, uploadDir }: RunningService, env = {}): StartedProcess {
  return startProcess(t, { probe: true, env: { DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir, ...env } })
}

/** A module that sets the clock of its process to 8 s before the current minute. */
function beforeTheMinute(): string {
  const minute = Date.now() - (Date.now() % 60_000)
  const source = `const Real = Date, back = Real.now() - ${minute} + 8000
    globalThis.Date = class extends Real {
      constructor(...args) { if (args.length === 0) super(Real.now() - back); else super(...args) }
      static now() { return Real.now() - back }
    }`
  return `--import data:text/javascript,${encodeURIComponent(source)}`
}
