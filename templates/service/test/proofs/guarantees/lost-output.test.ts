/**
 * Promise: A service whose log nobody reads keeps serving, and stops as usual.
 * Go: a write to a full pipe blocks, and a write to a broken pipe is SIGPIPE, which ends the process; here it does neither
 * Held by: src/platform/telemetry/stdout.ts, src/platform/telemetry/log.ts, src/platform/lifecycle/closers.ts, src/platform/lifecycle/process.ts
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { eventually, open } from '../../support/client.ts'
import { fullPipe } from '../support/fifo.ts'
import { createDatabase } from '../../support/postgres.ts'
import {
  startProcess,
  type LogLine,
  type RunningTest,
  type ServiceOptions,
  type StartedProcess,
} from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const ticksPerSecond = 100
/** A path; its log line is a little longer. 400 such lines exceed the log's buffer and the pipe of the system. */
const long = 'x'.repeat(8_000)

test('if the reader closes stdout, every request is answered, no loop spins, and a stop exits with 0', async (t) => {
  const { service, url } = await startOwn(t)

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

test('while nobody reads stdout, requests are answered; a line and a metric count the dropped lines', async (t) => {
  const { service, url, adminUrl } = await startOwn(t)
  service.child.stdout?.pause()

  await fillStdout(url)

  expect((await fetch(`${url}/livez`)).status).toBe(200)
  const dropped = await droppedLines(adminUrl)
  expect(dropped).toBeGreaterThan(0)

  service.child.stdout?.resume()

  const line = await service.line(({ msg }) => msg.includes('lines of the log were dropped'))
  expect(line).toMatchObject({ level: 'error', dropped })
  await fetch(`${url}/nowhere`, { headers: { 'x-request-id': 'read-again' } })
  await service.line(({ requestId }) => requestId === 'read-again')
  const seen = service.log.filter(({ path }) => String(path).endsWith(long)).length
  expect(seen + dropped).toBe(400)
  service.child.kill('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })
})

test('a slow reader of stdout gets all lines, the last one included', async (t) => {
  const { service, url } = await startOwn(t)
  service.child.stdout?.pause()
  for (let sent = 0; sent < 60; sent++) await fetch(`${url}/${long}`)

  service.child.kill('SIGTERM')
  service.child.stdout?.resume()

  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(service.log.filter(({ msg }) => msg === 'request')).toHaveLength(60)
  expect(service.log.at(-1)).toMatchObject({ msg: 'stopped' })
})

test('a stop waits at most SHUTDOWN_FLUSH_MS for a stuck reader of stdout, and exits with 0', async (t) => {
  const { service, url } = await startOwn(t, { SHUTDOWN_FLUSH_MS: '300' })
  service.child.stdout?.pause()
  await fillStdout(url)
  const startedAt = performance.now()

  service.child.kill('SIGTERM')

  expect(await once(service.child, 'exit')).toEqual([0, null])
  expect(performance.now() - startedAt).toBeLessThan(10_000)
})

test('a second signal ends the process at once, even while nobody reads stdout', async (t) => {
  const { service, url } = await startOwn(t)
  service.child.stdout?.pause()
  await fillStdout(url)
  const held = open(`${url}/probe/query?seconds=30`)

  service.child.kill('SIGTERM')
  // The listener is closed, so the first signal has arrived.
  await eventually(() =>
    fetch(`${url}/livez`).then(
      () => false,
      () => true,
    ),
  )
  service.child.kill('SIGINT')

  expect(await once(service.child, 'exit')).toEqual([130, null])
  held.hangUp()
})

test('an unhandled fault stops the process with exit 1, even while nobody reads stdout', async (t) => {
  const { service, url } = await startOwn(t, { SHUTDOWN_FLUSH_MS: '300' })
  service.child.stdout?.pause()
  await fillStdout(url)
  const exited = once(service.child, 'exit')

  await fetch(`${url}/probe/fault`)

  expect(await exited).toEqual([1, null])
})

test('a warning of Node is logged, and waits for no reader of stderr', async (t) => {
  const { service, url } = await startOwn(t)

  await fetch(`${url}/probe/warning`)

  const line = await service.line(({ msg }) => msg === 'warning of Node')
  expect(line).toMatchObject({ level: 'warn', err: { message: 'this is deprecated' } })
})

test.for(['src/main.ts', 'src/migrate.ts'] as const)(
  '%s that fails at the start while stdout is full exits with 1; a late reader still gets the reason',
  async (program, t) => {
    const [unread, late] = [await fullPipe(t), await fullPipe(t)]
    const start = (stdout: number, flushMs: string): StartedProcess =>
      startProcess(t, { program, stdout, env: { PORT: 'eighty', SHUTDOWN_FLUSH_MS: flushMs } })

    expect(await start(unread.fd, '200').exited).toEqual({ code: 1, signal: null })
    const service = start(late.fd, '20000')
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const lines = (await late.read()).trimEnd().split('\n')

    expect(await service.exited).toEqual({ code: 1, signal: null })
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'fatal' })
  },
)

test.runIf(process.platform === 'linux')(
  'with a file as stdout on a disk that is full for a while, requests are answered, and a stop exits with 0',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'log-'))
    t.onTestFinished(() => rm(dir, { recursive: true }))
    const file = join(dir, 'log')
    const written = async (): Promise<LogLine[]> =>
      (await readFile(file, 'utf8'))
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as LogLine)
    const database = await createDatabase()
    t.onTestFinished(() => database.drop())
    const service = startProcess(t, { stdout: openSync(file, 'a'), env: { DATABASE_URL: database.url } })
    await eventually(async () => (await written()).some(({ msg }) => msg === 'listening'), 30_000)
    const { port, adminPort } = (await written()).find(({ msg }) => msg === 'listening') ?? { msg: '' }
    const url = `http://127.0.0.1:${String(port)}/nowhere`
    const adminUrl = `http://127.0.0.1:${String(adminPort)}`
    const allow = (bytes: string) =>
      promisify(execFile)('prlimit', ['--pid', String(service.child.pid), `--fsize=${bytes}:unlimited`])

    await allow(String((await stat(file)).size))
    for (let sent = 1; sent <= 3; sent++) {
      expect((await fetch(url)).status).toBe(404)
      await eventually(async () => (await droppedLines(adminUrl)) === sent)
    }
    await allow('unlimited')
    expect((await fetch(url)).status).toBe(404)

    await eventually(async () => (await written()).some(({ dropped }) => dropped === 3))
    service.child.kill('SIGTERM')
    expect(await service.exited).toEqual({ code: 0, signal: null })
    expect((await written()).at(-1)).toMatchObject({ msg: 'stopped' })
  },
)

/** A service with the probe's routes and a database of its own. */
async function startOwn(
  t: RunningTest,
  env: ServiceOptions['env'] = {},
): Promise<{ service: StartedProcess; url: string; adminUrl: string }> {
  const database = await createDatabase()
  t.onTestFinished(() => database.drop())
  const service = startProcess(t, { probe: proofs, env: { DATABASE_URL: database.url, ...env } })
  const { port, adminPort } = await service.line(({ msg }) => msg === 'listening')
  return {
    service,
    url: `http://127.0.0.1:${String(port)}`,
    adminUrl: `http://127.0.0.1:${String(adminPort)}`,
  }
}

async function fillStdout(url: string): Promise<void> {
  for (let round = 0; round < 40; round++) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${url}/${long}`)))
    for (const answer of answers) expect(answer.status).toBe(404)
  }
}

async function droppedLines(adminUrl: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/^log_lines_dropped_total(?:\{.*\})? (\d+)/m.exec(text)?.[1])
}

/** The processor time of a process; 0 where the system does not report it. */
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
