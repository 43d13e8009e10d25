/**
 * Promise: Setting the wall clock, forward or back, changes no deadline of a running request.
 * Go: `time.Now()` has a monotonic reading, which timers go by
 * Held by: src/context/context.ts, src/platform/database/transaction.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { remainingMs, withTimeout } from '../../../src/context/context.ts'
import { eventually, open, running } from '../../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import { startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const hourMs = 3_600_000

/** A module that moves the wall clock of its process by `ms` milliseconds at SIGUSR2. Nothing can set the monotonic clock. */
function settingClock(ms: number): string {
  const source = `const now = Date.now; let ahead = 0; Date.now = () => now() + ahead; process.on('SIGUSR2', () => { ahead = ${ms} })`
  return `--import data:text/javascript,${encodeURIComponent(source)}`
}

test.for([hourMs, -hourMs])(
  'setting the clock by %i ms does not change when running requests end',
  async (ms, t) => {
    const env = { NODE_OPTIONS: settingClock(ms), REQUEST_TIMEOUT_MS: '3000' }
    const service = await startService(t, { probe: proofs, env })
    const short = open(`${service.url}/probe/query?seconds=0.7`)
    const long = open(`${service.url}/probe/query?seconds=30`)
    await eventually(async () => (await running(service, 'pg_sleep')) === 2)

    service.signal('SIGUSR2')
    await eventually(async () => {
      const response = await fetch(`${service.url}/probe/deadline`)
      const { deadline } = (await response.json()) as { deadline: number }
      return Math.abs(deadline - Date.now() - ms) < hourMs / 2
    })

    expect((await short.answer).status).toBe(200)
    expect((await long.answer).status).toBe(504)
    await eventually(async () => (await running(service, 'pg_sleep')) === 0)
    const line = await service.line(({ status }) => status === 504)
    expect(line['durationMs']).toBeGreaterThanOrEqual(3_000)
    expect(line['durationMs']).toBeLessThan(15_000)
    // Work that began since uses the changed clock, as does Postgres's own timeout.
    const { body } = await open(`${service.url}/probe/transaction`).answer
    expect((JSON.parse(body) as { statementTimeoutMs: number }).statementTimeoutMs).toBeLessThan(20_000)
  },
)

test.for([hourMs, -hourMs])(
  'setting the clock by %i ms changes no limit of a request whose deadline was read before',
  async (ms, t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    using request = withTimeout(ctx, 10_000)
    const timeout = () =>
      db.transaction(request, async (q) => {
        const { rows } = await q.execute<{ ms: string }>(
          sql`select setting as ms from pg_settings where name = 'statement_timeout'`,
        )
        return Number(rows[0]?.ms)
      })
    const before = request.deadline
    const now = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => now() + ms)
    t.onTestFinished(() => void vi.restoreAllMocks())

    expect(request.deadline).toBe(before)
    expect(remainingMs(request)).toBeGreaterThan(5_000)
    expect(remainingMs(request)).toBeLessThanOrEqual(10_000)
    const timeoutMs = await timeout()
    expect(timeoutMs).toBeGreaterThan(5_000)
    expect(timeoutMs).toBeLessThan(15_000)
  },
)
