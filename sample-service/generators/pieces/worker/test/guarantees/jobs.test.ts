/**
 * Promise: An enqueued job is done: once if nothing fails, again after a failure, a crash or a stop, and never twice at once.
 * Go: `river.Client.InsertTx(ctx, tx, args, nil)`, and `Work(ctx, job)` under the context that `client.Stop` ends
 * Held by: src/platform/jobs/jobs.ts, src/platform/jobs/run.ts, src/platform/jobs/worker.ts, src/platform/jobs/engine.ts, src/platform/jobs/give-back.ts, src/platform/jobs/lease.ts
 */
import { expect, test } from 'vitest'
import { eventually, liveTree, open, running } from '../support/client.ts'
import {
  another,
  sharedService,
  startService,
  type LogLine,
  type RunningService,
} from '../support/service.ts'

const shared = sharedService({ probe: true })

test('a job enqueued in a transaction exists after the commit, and not after a rollback or a hang-up', async () => {
  const service = shared()
  const left = open(`${service.url}/probe/jobs?hold=30`, 'POST')
  await eventually(async () => (await running(service, 'pg_sleep')) === 1)
  expect((await open(`${service.url}/probe/jobs?end=rollback`, 'POST').answer).status).toBe(500)
  const id = await enqueue(service, 'seconds=0.5')

  left.hangUp()

  // The client has the answer and has closed its connection, but its job runs to the end.
  expect(await service.line(ran(id, 'done'))).toMatchObject({ job: 'probe', attempt: 1 })
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
  const ids = runsIn(service.log).map(({ jobId }) => jobId)
  expect(ids).toEqual([id])
  // The line is written before the row is deleted.
  await eventually(async () => (await waiting(service)).length === 0)
})

test('the context of a job descends from the server’s, and is on the page of contexts', async () => {
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

test('SIGTERM: a job that ends within the drain is done', async (t) => {
  const service = await startService(t, { probe: true })
  const id = await enqueue(service, 'seconds=1')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.find(ran(id, 'done'))).toMatchObject({ attempt: 1 })
  expect(await waiting(service)).toEqual([])
})

test('SIGTERM: a job that outlasts the drain is cancelled, given back, and done once after the restart', async (t) => {
  const service = await startService(t, { probe: true, env: { SHUTDOWN_DRAIN_MS: '100' } })
  const id = await enqueue(service, 'seconds=3')
  await eventually(async () => (await running(service, 'as asleep')) === 1)
  const stoppedAt = performance.now()

  service.signal('SIGTERM')

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - stoppedAt).toBeLessThan(10_000)
  expect(service.log.find(ran(id, 'given back'))).toMatchObject({ cause: 'ServerShutdown' })
  expect(await running(service, 'as asleep')).toBe(0)
  const restarted = another(t, service, { probe: true })
  expect(await restarted.line(ran(id, 'done'))).toMatchObject({ attempt: 1 })
  restarted.child.kill('SIGTERM')
  expect(await restarted.exited).toEqual({ code: 0, signal: null })
  expect(runsIn(restarted.log).length).toBe(1)
  expect(await waiting(service)).toEqual([])
})

test('kill -9: another instance does the job once, as soon as it detects that the worker is dead', async (t) => {
  const service = await startService(t, { probe: true })
  const other = another(t, service, { probe: true })
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
