/**
 * Promise: Under overload no caller takes the whole pool, and callers that hang up add no load.
 * Go: none
 * Held by: src/platform/http/boundary.ts, src/platform/database/admission.ts, src/platform/database/turns.ts, src/platform/database/pressure.ts
 */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { withCancel, withTimeout, type Context } from '../../../src/context/context.ts'
import { group } from '../../../src/context/group.ts'
import { sleep } from '../../../src/context/sleep.ts'
import { eventually } from '../../support/client.ts'
import { openTestDatabase } from '../support/database.ts'
import { startService, type RunningService } from '../../support/service.ts'
import { requestOf, select, succeeds } from '../support/overload.ts'

test('a caller with nine tenths of the load gets what the others leave, and the others get what they ask for', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 5)
  // The capacity is forty a second.
  const perSecond = { greedy: 108, a: 3, b: 3, c: 3, d: 3 }
  const served = { greedy: 0, others: 0 }

  using work = group(ctx)
  for (const [caller, rate] of Object.entries(perSecond)) {
    work.go(async (ctx) => {
      using requests = group(ctx)
      for (let asked = 0; asked < 4 * rate; asked++) {
        requests.go(async (ctx) => {
          using request = withTimeout(requestOf(ctx, caller), 2_000)
          if (await succeeds(select(request, db, 0.125))) served[caller === 'greedy' ? caller : 'others']++
        })
        await sleep(ctx, -Math.log(1 - Math.random()) * (1_000 / rate))
      }
      await requests.wait()
    })
  }
  await work.wait()

  // They asked for 48. In the order of arrival they would get a third of that, as the greedy one gets of its 432.
  expect(served.others).toBeGreaterThan(36)
  expect(served.greedy).toBeGreaterThan(70)
})

test('callers that hang up and retry do not overload the pool: all that wait are served', async (t) => {
  const { ctx, db } = await openTestDatabase(t, 2)
  let unserved = 0
  let answered = 0
  using load = withCancel(ctx)

  using clients = group(load)
  for (let i = 0; i < 30; i++) {
    clients.go(async (ctx) => {
      await sleep(ctx, i)
      while (ctx.err === undefined) {
        using leaving = withCancel(ctx)
        const call = succeeds(select(leaving, db, 0.25))
        await sleep(ctx, 30)
        leaving.cancel()
        await call
      }
    })
  }
  for (let i = 0; i < 2; i++) {
    clients.go(async (ctx) => {
      while (ctx.err === undefined) {
        // If the callers that leave delayed it, it would have to wait for more than half of that.
        using patient = withTimeout(ctx, 1_000)
        if (await succeeds(select(patient, db, 0.25))) answered++
        else if (!isOver(ctx)) unserved++
        await sleep(ctx, 5)
      }
    })
  }
  await sleep(ctx, 4_000)
  load.cancel()
  await clients.wait().catch(() => undefined)

  expect(unserved).toBe(0)
  // The capacity is eight a second, and cancels take a part of it.
  expect(answered).toBeGreaterThan(16)
})

test('a client that hung up before its connection was accepted costs no statement', async (t) => {
  const service = await startService(t, { probe: true })
  const before = await statements(service)
  // Meanwhile the system accepts the connection and its bytes; the service reads them when it continues.
  service.signal('SIGSTOP')
  await Promise.all([
    sendAndLeave(service, 'GET /probe/query?seconds=30', 'early'),
    sendAndLeave(service, 'POST /probe/write?seconds=0', 'write'),
  ])
  service.signal('SIGCONT')

  const line = await service.line((entry) => entry['requestId'] === 'early')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected', route: '/probe/query' })
  // A write with hangUp: ignore is executed anyway: its client may leave after it has sent the request.
  expect(await service.line((entry) => entry['requestId'] === 'write')).toMatchObject({ status: 499 })
  await eventually(async () => (await statements(service)) === before + 1)
})

function sendAndLeave({ url }: RunningService, what: string, id: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('close', () => resolve())
    socket.write(`${what} HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\n\r\n`, () => socket.destroy())
  })
}

async function statements({ adminUrl }: RunningService): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const counts = text.matchAll(/^db_client_operation_duration_seconds_count\{[^}]*"SELECT"[^}]*\} (\d+)/gm)
  return Array.from(counts, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0)
}

function isOver(ctx: Context): boolean {
  return ctx.err !== undefined
}
