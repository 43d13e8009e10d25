/** A PostgreSQL 15 with a standby that is promoted, behind a balancer: `apt-get install postgresql-15`. */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { openDatabase } from '../../templates/service/src/platform/database/database.ts'
import { createLog } from '../../templates/service/src/platform/telemetry/log.ts'
import { missingCluster, startBalancer, startCluster } from './support/cluster.ts'

test('writes follow the primary, after a failover and after the loss of a primary', async (t) => {
  const missing = missingCluster()
  if (missing !== undefined) return t.skip(missing)
  const { primary, standby } = await startCluster(t)
  await primary.sql('create table things (id serial)')
  const balancer = await startBalancer(t, standby.port)
  const ctx = testContext(t)
  const log = createLog({ level: 'silent', service: 'test' })
  const url = `postgres://postgres@127.0.0.1:${balancer.port}/postgres`
  const db = await openDatabase(ctx, log, { url, poolMax: 3, applicationName: 'failover' })
  t.onTestFinished(() => db.close(ctx))
  const write = () => db.run(ctx, (q) => q.execute(sql`insert into things default values`))
  const later = { status: 503, headers: { 'retry-after': '1' } }
  // Three connections, all of which lead to the standby.
  await Promise.all([1, 2, 3].map(() => db.run(ctx, (q) => q.execute(sql`select pg_sleep(0.1)`))))
  expect(await db.ping(ctx)).toBe('read-only')
  await expect(write()).rejects.toMatchObject(later)

  balancer.leadTo(primary.port)

  const inPlace = await tries(write, 20)
  expect(inPlace.failed.length).toBeLessThanOrEqual(3)
  for (const failure of inPlace.failed) expect(failure).toMatchObject(later)
  expect(await db.ping(ctx)).toBe('answers')

  await primary.stop()
  for (const failure of (await tries(write, 3)).failed) expect(failure).toMatchObject(later)
  balancer.leadTo(standby.port)
  await expect(write()).rejects.toMatchObject(later)
  await standby.sql('select pg_promote()')

  await expect.poll(() => db.ping(ctx).catch(() => 'away')).toBe('answers')
  const promoted = await tries(write, 20)
  expect(promoted.failed.length).toBeLessThanOrEqual(3)
  const { rows } = await db.run(ctx, (q) =>
    q.execute<{ n: number }>(sql`select count(*)::int as n from things`),
  )
  expect(rows[0]?.n).toBe(inPlace.done + promoted.done)
})

async function tries(
  work: () => Promise<unknown>,
  times: number,
): Promise<{ done: number; failed: unknown[] }> {
  const failed: unknown[] = []
  for (let i = 0; i < times; i++) await work().catch((error: unknown) => failed.push(error))
  return { done: times - failed.length, failed }
}
