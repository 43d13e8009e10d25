/** A Postgres that is stopped (SIGSTOP), as on a disk that hangs or a paused machine. */
import { readdir, readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { eventually, open, useDocuments } from './support/clients.ts'
import { running, startPostgres, type Postgres } from './support/postgres.ts'
import { migrate, startService } from './support/service.ts'

it('while Postgres is stopped, deadlines and hang-ups end requests in time; the service works again when it continues', async (t) => {
  const postgres = await startPostgres(t, { version: 18 })
  const env = { DATABASE_URL: postgres.url, DATABASE_POOL_MAX: '4' }
  await migrate(t, { env })
  const service = await startService(t, { env })
  await useDocuments(service.url)
  const leaver = open(`${service.url}/probe/query?seconds=30`)
  await eventually(async () => (await running(postgres, 'pg_sleep')) === 1)
  const pids = await processesOf(postgres)
  t.onTestFinished(() => {
    signalAll(pids, 'SIGCONT')
  })

  signalAll(pids, 'SIGSTOP')
  leaver.hangUp()
  // More than there are connections, so that some wait for one.
  const askedAt = performance.now()
  const headers = { 'x-envoy-expected-rq-timeout-ms': '1000' }
  const asked = Array.from({ length: 8 }, () => open(`${service.url}/documents`, 'GET', headers))
  for (const { answer } of asked) expect([503, 504]).toContain((await answer).status)
  // Each has a deadline of one second. A cancel without an answer must not hold it up.
  expect(performance.now() - askedAt).toBeLessThan(4_000)
  await service.line(({ status, cause }) => status === 499 && cause === 'ClientDisconnected')
  expect((await fetch(`${service.url}/livez`)).status).toBe(200)

  signalAll(pids, 'SIGCONT')
  await eventually(async () => (await fetch(`${service.url}/readyz`)).status === 200, 30_000)
  await eventually(async () => (await running(postgres, 'pg_sleep')) === 0, 30_000)
  await useDocuments(service.url)
})

/** The postmaster's process, and its children. */
async function processesOf({ daemon }: Postgres): Promise<readonly number[]> {
  const parent = daemon.child.pid ?? 0
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const children = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      // After the name, which may hold anything, come the state and the parent.
      return stat.slice(stat.lastIndexOf(')')).split(' ')[2] === String(parent) ? [pid] : []
    }),
  )
  return [parent, ...children.flat()]
}

function signalAll(pids: readonly number[], signal: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
