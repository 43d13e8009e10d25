/**
 * Promise: No setting, damage or failure of a call reaches the next call on its connection, and no error reveals a value.
 * Go: `(*sql.Conn).Raw` with `driver.SessionResetter`, `driver.ErrBadConn`, pgx's `MaxConnLifetimeJitter`
 * Held by: src/platform/database/statement.ts, src/platform/database/prepared.ts, src/platform/database/errors.ts, src/platform/database/client.ts
 */
import { eq, sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { QueryFailed } from '../../../src/platform/database/errors.ts'
import { prepared, type Values } from '../../../src/platform/database/prepared.ts'
import type { Queries } from '../../../src/platform/database/queries.ts'
import { Problem } from '../../../src/platform/problem.ts'
import { openTestDatabase } from '../support/database.ts'
import { startCollector } from '../../support/otlp.ts'
import { startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

const things = pgTable('things', { id: integer().primaryKey(), name: text() })
const byId = (q: Queries) => q.select().from(things).orderBy(things.id).prepare('things by id')

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('session state:', () => {
  test.for([
    ['a setting', `set statement_timeout = '77s'`],
    [
      'a setting made with SET SESSION',
      `/* tenant */ -- of a request\n SET SESSION statement_timeout = '77s'`,
    ],
    ['a setting, by its function', `select set_config('statement_timeout', '77s', false)`],
    ['a setting whose value is true', `select set_config('app.admin', 'true', false)`],
    [
      'a setting in a statement with the word true',
      `select set_config('statement_timeout', '77s', false) where true`,
    ],
    [
      'one of two settings',
      `select set_config('app.admin', 'on', true), set_config('statement_timeout', '77s', false)`,
    ],
    [
      'a setting, by the name of its function in quotes',
      `select "set_config"('statement_timeout', '77s', false)`,
    ],
    ['a setting of a block', `do $$ begin set statement_timeout = '77s'; end $$`],
    [
      'a setting of a text that a block executes',
      `do $$ begin execute 'set statement_timeout = 77000'; end $$`,
    ],
    ['a setting, by its view', `update pg_settings set setting = '77000' where name = 'statement_timeout'`],
    ['a role', 'set role pg_monitor'],
    ['a channel', 'listen things'],
    ['a temporary table', 'create temporary table kept (id int)'],
    ['a temporary table made by a select', 'select 1 as id into temp kept'],
    ['a temporary table, by its schema', 'create table pg_temp.kept (id int)'],
    ['a temporary table of a plan', 'explain analyze create temp table kept as select 1'],
    ['a temporary table, with a word that means nothing', 'select 1 as id into local temp kept'],
    ['a temporary view', 'create or replace temp view kept as select 1'],
    ['a cursor', 'begin; declare kept cursor with hold for select 1; commit'],
    ['a statement that was prepared by hand', 'prepare kept as select 1'],
    ['a lock', 'select pg_advisory_lock(1)'],
    ['a lock that a statement tries to take', 'select pg_try_advisory_lock_shared(1)'],
  ] as const)('%s does not reach the next caller', async ([, statement], t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const state = sql`select current_setting('statement_timeout') as timeout, current_user = session_user as self,
      coalesce(current_setting('app.admin', true), '') as admin,
      (select count(*)::int from pg_listening_channels()) as channels,
      to_regclass('pg_temp.kept') is null as clean, (select count(*)::int from pg_cursors) as cursors,
      (select count(*)::int from pg_prepared_statements where name <> '') as prepared,
      (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`
    const read = () => db.run(ctx, async (q) => (await q.execute(state)).rows)
    const before = await read()

    await db.run(ctx, (q) => q.execute(sql.raw(statement)))

    expect(await read()).toEqual(before)
  })

  test('the seed of random numbers does not reach the next caller', async (t) => {
    const { ctx, db, proxy } = await openTestDatabase(t, 1)

    await db.run(ctx, (q) => q.execute(sql`select setseed(0.5)`))

    await db.run(ctx, (q) => q.execute(sql`select random()`))
    expect(proxy.seen.session).toBe(2)
  })

  test('state that ends with a transaction does not close the connection', async (t) => {
    const { ctx, db, proxy } = await openTestDatabase(t, 1)
    await db
      .transaction(ctx, async (q) => {
        await q.execute(sql`set local statement_timeout = '77s'`)
        await q.execute(sql`set transaction isolation level serializable`).catch(() => undefined)
      })
      .catch(() => undefined)
    await db.transaction(ctx, async (q) => {
      await q.execute(sql`select set_config('app.tenant', ${'seven'}, true), pg_advisory_xact_lock(1)`)
      await q.execute(
        sql`select set_config('app.says', 'it''s (false), true', true), set_config('app.a', 'b', true)`,
      )
      await q.insert(things).values({ id: 1, name: 'set x' })
      await q.update(things).set({ name: 'listen' })
    })
    await db.run(ctx, (q) => q.execute(sql`select 1`))
    expect(proxy.seen.session).toBe(1)
  })

  test('a prepared statement whose table was changed is sent again, and its connection is closed', async (t) => {
    const { ctx, db, proxy, observer } = await openTestDatabase(t, 1)
    await db.run(ctx, (q) => byId(q).execute())
    await observer.query('alter table things alter name type varchar')

    await expect(db.run(ctx, (q) => byId(q).execute())).resolves.toEqual([])

    await expect(db.run(ctx, (q) => byId(q).execute())).resolves.toEqual([])
    expect(proxy.seen.session).toBe(2)
  })

  test('a prepared statement that the server has dropped is sent again', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    await db.run(ctx, async (q) => {
      await byId(q).execute()
      await q.execute(sql`deallocate all`)
    })

    await expect(db.run(ctx, (q) => byId(q).execute())).resolves.toEqual([])
  })

  test('a prepared statement that failed in a transaction, and so aborted it, is not sent again', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    await db.run(ctx, (q) => byId(q).execute())
    const work = db.transaction(ctx, async (q) => {
      await q.execute(sql`deallocate all`)
      return byId(q).execute()
    })

    expect(await failureOf(work)).toMatchObject({ sqlState: '26000' })

    await expect(db.run(ctx, (q) => byId(q).execute())).resolves.toEqual([])
  })

  test('a prepared query is built once, parsed once for each connection, and has the values of its call', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    await db.run(ctx, (q) => q.insert(things).values([1, 2, 3].map((id) => ({ id, name: `n${id}` }))))
    let built = 0
    const find = prepared((q, value: Values<{ id: number }>) => {
      built++
      return q
        .select()
        .from(things)
        .where(eq(things.id, value('id')))
    })
    const names = prepared((q) => q.select({ name: things.name }).from(things).where(eq(things.id, 3)))

    const ids = await Promise.all([1, 2].map((id) => db.run(ctx, (q) => find(q, { id }))))
    const inside = await db.transaction(ctx, async (q) => [await find(q, { id: 3 }), await names(q, {})])

    expect([...ids, ...inside]).toEqual([
      [{ id: 1, name: 'n1' }],
      [{ id: 2, name: 'n2' }],
      [{ id: 3, name: 'n3' }],
      [{ name: 'n3' }],
    ])
    const known = sql`select statement from pg_prepared_statements where name <> '' order by name`
    const { rows } = await db.run(ctx, (q) => q.execute(known))
    expect(rows).toHaveLength(2)
    expect(built).toBe(1)
  })

  test('a prepared query fails when the call whose handle it got has returned', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const all = prepared((q) => q.select().from(things))
    const kept = await db.run(ctx, (q) => Promise.resolve({ q }))

    const failure = await failureOf(all(kept.q, {}))

    expect(String((failure as Error).cause)).toContain('used after its db.run or db.transaction had returned')
  })

  test('a prepared select can be executed, streamed and executed again on the same connection', async (t) => {
    const { ctx, db, proxy } = await openTestDatabase(t, 1)
    await db.run(ctx, (q) => q.insert(things).values([1, 2, 3].map((id) => ({ id, name: 'x' }))))
    const read = () => db.run(ctx, (q) => byId(q).execute())
    for (const order of ['first', 'again']) {
      const streamed: unknown[] = []
      for await (const row of db.stream(ctx, byId, { batchRows: 2 })) streamed.push(row)
      expect(streamed, order).toHaveLength(3)
      expect(await read(), order).toEqual(streamed)
    }
    expect(proxy.seen.session).toBe(1)
  })
})

describe('lifetime:', () => {
  afterEach(() => void vi.useRealTimers())

  test('a connection is closed half an hour after it was opened, when its caller is done', async (t) => {
    const { ctx, db, proxy } = await openTestDatabase(t, 1)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await db.run(ctx, (q) => q.execute(sql`set role none`))

    await db.run(ctx, async (q) => {
      await q.execute(sql`select 1`)
      vi.advanceTimersByTime(30 * 60_000)
    })

    vi.useRealTimers()
    await db.run(ctx, (q) => q.execute(sql`select 1`))
    // The first, the one in place of what was set on it, and the one in place of the old one.
    expect(proxy.seen.session).toBe(3)
  })
})

describe('an error of the caller is not a 503:', () => {
  test('a statement with more values than the protocol can count is refused before it is sent', async (t) => {
    const { ctx, db, proxy } = await openTestDatabase(t, 1)
    const rows = Array.from({ length: 34_000 }, (_, id) => ({ id, name: 'x' }))

    const failure = await failureOf(db.run(ctx, (q) => q.insert(things).values(rows)))

    expect(failure).toBeInstanceOf(RangeError)
    expect(String(failure)).toContain('a statement has at most 65535 values, this one 68000')
    await db.run(ctx, (q) => q.insert(things).values(rows.slice(0, 32_767)))
    expect(proxy.seen.session).toBe(1)
  })

  test('a protocol violation, or a spill beyond the limit, keeps its own error', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const tooFew = await failureOf(
      db.run(ctx, (q) => q.execute(sql`select ${1}::int, ${sql.raw('$2')}::int`)),
    )
    expect(tooFew).toBeInstanceOf(QueryFailed)
    expect(tooFew).toMatchObject({ sqlState: '08P01' })

    const tooMuch = await failureOf(
      db.transaction(ctx, async (q) => {
        await q.execute(sql`set local temp_file_limit = '1MB'`)
        await q.execute(sql`set local work_mem = '64kB'`)
        await q.execute(sql`select n from generate_series(1, 300000) n order by md5(n::text)`)
      }),
    )
    expect(tooMuch).toMatchObject({ name: 'QueryFailed', sqlState: '53400' })
  })

  test('a call after a value that could not be sent fails with that reason', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const send = (q: Queries) => q.execute(sql`select ${circular}::json`)

    const failures = [
      await failureOf(
        db.run(ctx, async (q) => {
          await send(q).catch(() => undefined)
          await q.execute(sql`select 1`)
        }),
      ),
      await failureOf(
        db.transaction(ctx, async (q) => {
          await send(q).catch(() => undefined)
        }),
      ),
    ]

    for (const failure of failures) {
      expect(failure).not.toBeInstanceOf(Problem)
      expect(failure).toMatchObject({ message: 'an earlier statement could not be sent' })
    }
  })

  test('a write in a read-only transaction keeps its own error', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const failures = [
      await failureOf(
        db.transaction(ctx, async (q) => {
          await q.execute(sql`set transaction read only`)
          await q.insert(things).values({ id: 1 })
        }),
      ),
      await failureOf(
        (async () => {
          for await (const row of db.stream(ctx, (q) => q.select({ n: sql`txid_current()` }).from(things)))
            expect(row).toBeDefined()
          for await (const row of db.stream(ctx, (q) =>
            q.select({ n: sql`lo_create(0)` }).from(sql`generate_series(1, 1)`),
          ))
            expect(row).toBeDefined()
        })(),
      ),
    ]
    for (const failure of failures) expect(failure).toMatchObject({ name: 'QueryFailed', sqlState: '25006' })
  })
})

describe('no error reveals a value:', () => {
  test.for([
    ['that is not a number', sql`select ${'a secret'}::int`, '22P02'],
    ['too great', sql`select ${'99887766554433'}::int`, '22003'],
    ['outside of an enum', sql`select ${'a secret'}::mood`, '22P02'],
    ['that is not a date', sql`select ${'2026-13-99'}::date`, '22008'],
    ['that is not an array', sql`select ${'{a secret'}::int[]`, '22P02'],
    ['that is not UTF-8', sql`select convert_from(decode(${'99ff'}, 'hex'), 'UTF8')`, '22021'],
    [
      'outside of 0 to 1',
      sql`select percentile_cont(${'998877'}::float8) within group (order by 1)`,
      '22003',
    ],
    ['of a row', sql`select name::int from things`, '22P02'],
    ['used as a name', sql`select ${'a_secret'}::regclass`, '42P01'],
    ['used as a text query', sql`select to_tsquery(${'a secret'})`, '42601'],
    ['that exists already', sql`insert into things values (7, ${'a secret'})`, '23505'],
  ] as const)('a value %s', async ([, statement, sqlState], t) => {
    const { ctx, db, observer } = await openTestDatabase(t, 1)
    await observer.query(`create type mood as enum ('calm'); insert into things values (7, 'a secret')`)

    const failure = await failureOf(db.run(ctx, (q) => q.execute(statement)))

    expect(failure).toBeInstanceOf(QueryFailed)
    expect(failure).toMatchObject({ sqlState })
    expect(`${String(failure)} ${JSON.stringify(failure)} ${(failure as Error).stack}`).not.toMatch(
      /secret|9988|2026|99 ?ff|0x99/,
    )
  })

  test('the error that the work catches reveals none', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const inside = await db.run(ctx, (q) => failureOf(q.execute(sql`select ${'a secret'}::int`)))
    expect(inside).toMatchObject({ cause: { name: 'QueryFailed', sqlState: '22P02' }, params: [] })
    expect(`${String(inside)} ${JSON.stringify(inside)} ${(inside as Error).stack}`).not.toContain('secret')
  })

  test('the error keeps its place and reason', async (t) => {
    const { ctx, db } = await openTestDatabase(t, 1)
    const run = (text: string) => failureOf(db.run(ctx, (q) => q.execute(sql.raw(text))))
    expect(await run('select wrong from things')).toMatchObject({ message: 'column "wrong" does not exist' })
    expect(await run(`select 'x'::int`)).toMatchObject({
      message: 'invalid input syntax for type integer: "…"',
    })
    expect(await run('selct 1')).toMatchObject({ message: 'syntax error at or near "selct"' })
  })

  test('the log and the trace of a request reveal none', async (t) => {
    const collector = await startCollector(t)
    const service = await startService(t, {
      probe: proofs,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        LOG_LEVEL: 'debug',
      },
    })

    const response = await fetch(`${service.url}/probe/cast`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'a-secret-value' }),
    })

    expect(response.status).toBe(500)
    service.signal('SIGTERM')
    await service.exited
    const told = JSON.stringify([service.log, collector.spans], (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    expect(told).toContain('invalid input syntax for type integer')
    expect(told).not.toContain('a-secret-value')
  })
})
