/**
 * Promise: A start that cannot succeed ends in time, with one line that gives the cause.
 * Go: `ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)`, and `log.Fatal(err)`
 * Held by: src/main.ts, src/config.ts, src/platform/database/database.ts, src/platform/database/answer.ts
 */
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { startProcess, startService } from '../support/service.ts'

test('a bad environment exits with 1 and one line that names every bad variable', async (t) => {
  const env = { PORT: 'eighty', SHUTDOWN_DRAIN_MS: '-1', LOG_LEVEL: 'loud' }
  const service = startProcess(t, { env })

  expect((await service.exited).code).toBe(1)

  expect(service.log).toHaveLength(1)
  const { level, msg } = service.log[0] ?? { msg: '' }
  expect(level).toBe('fatal')
  for (const name of ['PORT', 'SHUTDOWN_DRAIN_MS', 'LOG_LEVEL', 'DATABASE_URL']) expect(msg).toContain(name)
})

test(
  'if the database is down, the start exits with 1 within STARTUP_TIMEOUT_MS, and one line has the cause and no password',
  { concurrent: true },
  async (t) => {
    const service = startProcess(t, {
      env: { DATABASE_URL: 'postgres://service:secret@127.0.0.1:1/nowhere', STARTUP_TIMEOUT_MS: '3000' },
    })
    const { tookMs } = await service.line(({ level }) => level === 'fatal')
    const failedAt = performance.now()

    expect((await service.exited).code).toBe(1)

    // Excludes the time in which a busy machine loads Node and the program, which no timeout of the service covers.
    const startMs = Object.values(tookMs as Record<string, number>).reduce((sum, ms) => sum + ms, 0)
    expect(startMs + performance.now() - failedAt).toBeLessThan(8_000)
    const lines = service.log.filter(({ msg }) => msg !== 'waiting for the database')
    expect(lines).toHaveLength(1)
    expect(lines[0]?.msg).toMatch(
      /^start-up failed: the database at 127\.0\.0\.1:1\/nowhere does not answer: .*ECONNREFUSED.*; it took longer than 3000 ms \(STARTUP_TIMEOUT_MS\)$/,
    )
    expect(JSON.stringify(service.log)).not.toContain('secret')
  },
)

test(
  'while the database is down, the start logs after a second what it waits for, and again every three',
  { concurrent: true },
  async (t) => {
    const service = startProcess(t, {
      env: { DATABASE_URL: 'postgres://service:secret@127.0.0.1:1/nowhere', STARTUP_TIMEOUT_MS: '5000' },
    })

    expect((await service.exited).code).toBe(1)

    const waiting = service.log.filter(({ msg }) => msg === 'waiting for the database')
    expect(waiting).toHaveLength(2)
    for (const line of waiting)
      expect(line).toMatchObject({
        level: 'warn',
        address: '127.0.0.1:1/nowhere',
        reason: expect.stringContaining('ECONNREFUSED') as string,
      })
    expect(service.log).toHaveLength(3)
    expect(JSON.stringify(service.log)).not.toContain('secret')
  },
)

test(
  'if the database accepts the connection and stays silent, the start exits with 1 and one line too',
  { concurrent: true },
  async (t) => {
    const hung = createServer(() => undefined)
    await new Promise<void>((resolve) => hung.listen(0, '127.0.0.1', resolve))
    t.onTestFinished(() => void hung.close())
    const address = hung.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const service = startProcess(t, {
      env: {
        DATABASE_URL: `postgres://service@127.0.0.1:${String(port)}/nowhere`,
        STARTUP_TIMEOUT_MS: '1000',
      },
    })

    expect((await service.exited).code).toBe(1)

    expect(service.log).toHaveLength(1)
    expect(service.log[0]?.msg).toMatch(
      /start-up failed: the database at .* does not answer: it took longer than 1000 ms \(STARTUP_TIMEOUT_MS\)$/,
    )
  },
)

test.for(['SIGTERM', 'SIGINT'] as const)(
  '%s during the start ends it with 1 and one last line',
  async (signal, t) => {
    const service = startProcess(t, {
      env: { DATABASE_URL: 'postgres://service@127.0.0.1:1/nowhere', LOG_LEVEL: 'debug' },
    })
    await service.line((line) => line.msg === 'waiting for the database')

    service.child.kill(signal)

    expect((await service.exited).code).toBe(1)
    expect(service.log.at(-1)).toMatchObject({ level: 'fatal', msg: `start-up failed: ${signal} received` })
  },
)

test.for([
  ['PORT', 'cannot listen on'],
  ['ADMIN_PORT', 'cannot listen for admin on'],
] as const)('%s that is in use exits with 1, and the line says what to do', async ([name, what], t) => {
  const first = await startService(t)
  const { port } = new URL(name === 'PORT' ? first.url : first.adminUrl)
  const second = startProcess(t, {
    env: { DATABASE_URL: first.databaseUrl, UPLOAD_DIR: first.uploadDir, [name]: port },
  })

  expect((await second.exited).code).toBe(1)

  expect(second.log.at(-1)?.msg).toMatch(
    new RegExp(`^start-up failed: ${what} 127.0.0.1:${port}: the port is taken: .* set ${name}$`),
  )
  // The second process has closed the connections that it had opened: the first one continues undisturbed.
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200)
})

test('each phase of a start logs how long it took, and a failed phase how long it ran', async (t) => {
  const service = await startService(t)
  const { tookMs } = await service.line(({ msg }) => msg === 'listening')
  const phases = ['telemetry', 'database', 'migrations', 'storage', 'prepare', 'admin', 'listen']
  expect(Object.keys(tookMs as object)).toEqual(phases)

  const failed = startProcess(t, {
    env: { DATABASE_URL: 'postgres://service@127.0.0.1:1/nowhere', STARTUP_TIMEOUT_MS: '300' },
  })
  expect((await failed.exited).code).toBe(1)
  const took = failed.log.at(-1)?.['tookMs'] as Record<string, number>
  expect(Object.keys(took)).toEqual(['telemetry', 'database'])
  expect(took['database']).toBeGreaterThan(0)
})
