/**
 * Promise: A service whose log nobody reads any more goes on serving, and stops as ever.
 * Go: a write to a broken stdout is SIGPIPE, which ends the process; here it is not
 * Held by: src/platform/log.ts
 */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { open } from '../support/client.ts'
import { createDatabase } from '../support/postgres.ts'
import { startProcess } from '../support/service.ts'

const ticksPerSecond = 100

test('stdout that is closed at the other end: every request is answered, nothing spins, exit 0', async (t) => {
  const database = await createDatabase()
  t.onTestFinished(() => database.drop())
  const service = startProcess(t, { probe: true, env: { DATABASE_URL: database.url } })
  const { port } = await service.line(({ msg }) => msg === 'listening')
  const url = `http://127.0.0.1:${String(port)}`

  service.child.stdout?.destroy()

  for (let round = 0; round < 5; round++) {
    const requests = Array.from({ length: 10 }, () => open(`${url}/probe/query?seconds=0.01`))
    for (const { answer } of requests) expect((await answer).status).toBe(200)
  }
  const before = await cpuSeconds(service.child.pid)
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect((await cpuSeconds(service.child.pid)) - before).toBeLessThan(0.25)
  const waiting = open(`${url}/probe/query?seconds=0.3`)
  await new Promise((resolve) => setTimeout(resolve, 100))
  service.child.kill('SIGTERM')
  expect((await waiting.answer).status).toBe(200)
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

/** What a process has used of a processor; 0 where the system does not tell. */
async function cpuSeconds(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '')
  // https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, 12 and 13 behind the name.
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return (user + system) / ticksPerSecond
}
