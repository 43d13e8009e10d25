/**
 * Promise: Values read back as they were written, whatever the server, the database or the role sets.
 * Go: pgx sends the settings it needs with the start-up packet
 * Held by: src/platform/database/client.ts
 */
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { expect, test, type TestContext } from 'vitest'
import type { Context } from '../../../src/context/context.ts'
import { testContext } from '../../../src/context/test-context.ts'
import { openDatabase, type Database } from '../../../src/platform/database/database.ts'
import { openTestDatabase } from '../support/database.ts'
import { createDatabase } from '../../support/postgres.ts'
import { startProxy } from '../support/proxy.ts'
import { recordedLog } from '../support/recorded-log.ts'

test.for([
  ['datestyle', 'German'],
  ['datestyle', 'SQL, DMY'],
  ['datestyle', 'Postgres, DMY'],
  ['intervalstyle', 'iso_8601'],
  ['intervalstyle', 'sql_standard'],
  ['timezone', 'Africa/Monrovia'],
  ['extra_float_digits', '-15'],
  ['bytea_output', 'escape'],
  ['array_nulls', 'off'],
  ['xmloption', 'document'],
  ['xmlbinary', 'hex'],
  ['timezone_abbreviations', 'India'],
  ['transform_null_equals', 'on'],
  ['standard_conforming_strings', 'off'],
  ['client_encoding', 'LATIN1'],
] as const)('values read back unchanged when the database sets %s to %s', async (setting, t) => {
  const { ctx, db } = await openWith(t, [setting])
  const day = new Date('2026-12-05T09:30:00.123Z')

  const { rows } = await db.run(ctx, (q) =>
    q.execute(sql`select ${day.toISOString()}::timestamptz as at, '1871-01-01T00:00:00Z'::timestamptz as long_ago,
      ${'2026-12-05'}::date::text as day, '05/12/2026'::date::text as may, '2026-12-05T09:30'::timestamptz::text as utc,
      ${'1 day 2 hours'}::interval as wait, ${0.1}::float8 + 0.2::float8 as sum, ${Buffer.from([0, 1, 92, 255])}::bytea as bytes,
      ('{NULL}'::text[])[1] is null as none, 'a\\b' as backslash, 'é€' as text, 'a <b/>'::xml::text as xml,
      xmlelement(name a, '\\x01'::bytea)::text as element, '2026-12-05 09:30 IST'::timestamptz as israel, null = null as equal`),
  )

  expect(rows).toEqual([
    {
      at: '2026-12-05 09:30:00.123+00',
      long_ago: '1871-01-01 00:00:00+00',
      day: '2026-12-05',
      may: '2026-05-12',
      utc: '2026-12-05 09:30:00+00',
      wait: '1 day 02:00:00',
      sum: 0.30000000000000004,
      bytes: Buffer.from([0, 1, 92, 255]),
      none: true,
      backslash: 'a\\b',
      text: 'é€',
      xml: 'a <b/>',
      element: '<a>AQ==</a>',
      israel: '2026-12-05 07:30:00+00',
      equal: null,
    },
  ])
})

test('behind a pooler the service leaves no setting on a shared connection', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t, 1, { pooler: true })
  const { rows } = await db.run(ctx, (q) =>
    q.execute(sql`select name, source from pg_settings where source in ('session', 'client')`),
  )

  expect(rows.filter(({ source }) => source === 'session')).toEqual([])
  // The start-up packet has the settings that a pooler keeps for each client.
  for (const name of ['DateStyle', 'TimeZone', 'standard_conforming_strings', 'client_encoding'])
    expect(rows).toContainEqual({ name, source: 'client' })
  expect((await observer.query('show datestyle')).rows).toEqual([{ DateStyle: 'ISO, MDY' }])
})

test('behind a pooler a setting that would falsify values stops the start at once, and the message names it', async (t) => {
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  await setOf(url, ['intervalstyle', 'iso_8601'])
  const proxy = await startProxy(t, url)
  proxy.pooler = true

  const opening = openDatabase(testContext(t), recordedLog(), {
    url: proxy.url,
    poolMax: 1,
    applicationName: 'subject',
  })

  await expect(opening).rejects.toThrow(
    /intervalstyle is 'iso_8601'.*ALTER ROLE … SET intervalstyle = 'postgres'/,
  )
})

type Setting = readonly [name: string, value: string]

async function openWith(
  t: TestContext,
  settings: readonly Setting[],
): Promise<{ ctx: Context; db: Database }> {
  const ctx = testContext(t)
  const { url, drop } = await createDatabase()
  t.onTestFinished(drop)
  for (const setting of settings) await setOf(url, setting)
  const db = await openDatabase(ctx, recordedLog(), { url, poolMax: 1, applicationName: 'subject' })
  t.onTestFinished(() => db.close(ctx))
  return { ctx, db }
}

/** Sets it for the database, as an operator may have done. */
async function setOf(url: string, [name, value]: Setting): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const database = new URL(url).pathname.slice(1)
  // A list of two is two values.
  const values = value.split(', ').map((part) => `'${part}'`)
  await client.query(`alter database "${database}" set ${name} = ${values.join(', ')}`)
  await client.end()
}
