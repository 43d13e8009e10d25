import { once } from 'node:events'
import { request } from 'node:http'
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { withCancel, withValue, type Context } from '../../../../src/context/context.ts'
import { listenAdmin } from '../../../../src/platform/admin/admin.ts'
import { openLocks } from '../../../../src/platform/database/locks.ts'
import { recentRequests } from '../../../../src/platform/telemetry/kept.ts'
import { stepKey } from '../../../../src/platform/telemetry/recent.ts'
import { eventually } from '../../../support/client.ts'
import { openTestDatabase } from '../../support/database.ts'
import { proofs } from '../../support/probes.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { sharedService } from '../../../support/service.ts'

const shared = sharedService({ probe: proofs })

test('the page shows which request waits for a lock, which process holds the lock, and which request waits for the pool', async (t) => {
  const { ctx, db, proxy } = await openTestDatabase(t, 2)
  const recent = recentRequests(10)
  const admin = await listenAdmin(ctx, ctx, recordedLog(), {
    host: '127.0.0.1',
    port: 0,
    metrics: (_request, response) => response.end(),
    recent,
    noteLocks: openLocks({ url: proxy.url, applicationName: 'locks' }),
  })
  t.onTestFinished(() => admin.close(ctx))
  const page = async (accept: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${admin.port}/debug/contexts`, { headers: { accept } })).text()
  using all = withCancel(ctx)
  const request = (id: string): Context => {
    const info = { id, method: 'GET', path: `/${id}` }
    return withValue(all, stepKey, recent.start(info, { startedAt: performance.now() }).root)
  }
  const work = (id: string): Promise<unknown> =>
    db.transaction(request(id), async (q, ctx) => {
      const { rows } = await q.execute(sql`select pg_advisory_xact_lock(1), pg_backend_pid() as pid`)
      if (id === 'holds') holder = Number(rows[0]?.['pid'])
      await q.execute(sql`select pg_sleep(60)`)
      return ctx
    })
  let holder = 0
  const ended = [work('holds')]
  await eventually(() => Promise.resolve(holder > 0))
  ended.push(work('waits'))
  await eventually(async () => /\/waits <em>waits for the database/.test(await page('text/html')))
  ended.push(work('queued'))

  await eventually(async () => /\/waits <em>waits for the lock</.test(await page('text/html')))
  const html = await page('text/html')
  expect(html).toContain(`waits for the lock advisory, held by the backend ${holder}`)
  expect(html).toMatch(/\/queued <em>waits for the pool</)
  const { underWay } = JSON.parse(await page('application/json')) as { underWay: { waitsFor: string }[] }
  expect(underWay.map(({ waitsFor }) => waitsFor)).toEqual(['database', 'lock', 'pool'])
  // Frequent requests for the page do not cause frequent queries.
  const { session } = proxy.seen
  for (let i = 0; i < 5; i++) await page('text/html')
  expect(proxy.seen.session - session).toBeLessThanOrEqual(1)

  all.cancel()
  await Promise.allSettled(ended)
  await eventually(async () => !(await page('text/html')).includes('waits for the lock'))
})

test('a request whose answer is not read waits for its client, and so does one whose body does not arrive', async (t) => {
  const { url, adminUrl } = shared()
  const waits = async (path: string): Promise<unknown> => {
    const page = await fetch(`${adminUrl}/debug/contexts?q=${path}`, {
      headers: { accept: 'application/json' },
    })
    const { underWay } = (await page.json()) as { underWay: { waitsFor: unknown }[] }
    return underWay[0]?.waitsFor
  }
  const unread = request(`${url}/probe/large`).end()
  const unsent = request(`${url}/probe/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 1_000 },
  })
  unsent.write('{')
  t.onTestFinished(() => {
    for (const sent of [unread, unsent]) sent.on('error', () => undefined).destroy()
  })

  await once(unread, 'response')
  await eventually(async () => (await waits('/probe/large')) === 'client')
  await eventually(async () => (await waits('/probe/echo')) === 'client')
})
