/**
 * Promise: A transaction whose context ends at any step is applied as a whole or not at all.
 * Go: `tx, err := db.BeginTx(ctx, nil)`; `defer tx.Rollback()`
 * Held by: src/platform/database/transaction.ts, src/platform/database/connection.ts
 */
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import {
  Canceled,
  cause,
  DeadlineExceeded,
  withCancel,
  withTimeout,
  type Context,
} from '../../../src/context/context.ts'
import { until } from '../../../src/context/until.ts'
import { CommitOutcomeUnknown, ConnectionLost, queryFailure } from '../../../src/platform/database/errors.ts'
import type { Queries } from '../../../src/platform/database/queries.ts'
import type { Database } from '../../../src/platform/database/database.ts'
import { eventually } from '../../support/client.ts'
import { openTestDatabase } from '../support/database.ts'

const insert = (q: Queries, id: number): Promise<unknown> => q.execute(sql`insert into things values (${id})`)

test('a transaction whose context ends is rolled back, and its connection is clean', async (t) => {
  const { ctx, db, active, count } = await openTestDatabase(t, 1)
  const backend = await db.run(ctx, backendOf)
  using request = withTimeout(ctx, 100)

  const work = db.transaction(request, async (q) => {
    await insert(q, 1)
    await q.execute(sql`select pg_sleep(30)`)
  })

  await expect(work).rejects.toBe(DeadlineExceeded)
  expect(await count('select count(*) from things')).toBe(0)
  expect(await active()).toBe(0)
  expect(await db.run(ctx, backendOf)).toBe(backend)
})

test('a transaction whose context ends while its work waits for something else is rolled back', async (t) => {
  const { ctx, db, count } = await openTestDatabase(t)
  using request = withCancel(ctx)

  const work = db.transaction(request, async (q) => {
    await insert(q, 1)
    request.cancel()
  })

  await expect(work).rejects.toBe(Canceled)
  expect(await count('select count(*) from things')).toBe(0)
})

test('the context that a transaction passes to its work ends with the transaction', async (t) => {
  const { ctx, db } = await openTestDatabase(t)
  let inside: Context | undefined
  using request = withCancel(ctx)

  await db.transaction(request, async (q, ctx) => {
    inside = ctx
    await q.execute(sql`select 1`)
    expect(ctx.err).toBeUndefined()
  })

  expect(inside?.err).toBe(Canceled)
  expect(request.err).toBeUndefined()
})

/** A transaction of every kind of statement. Resolves if it was committed. */
async function story(ctx: Context, db: Database): Promise<void> {
  await db.transaction(ctx, async (q, ctx) => {
    await insert(q, 1)
    await q.savepoint(ctx, (q) => insert(q, 2))
    await q
      .savepoint(ctx, async (q) => {
        await insert(q, 3)
        throw new Error('undo the third')
      })
      .catch((error: unknown) => {
        if (ctx.err !== undefined) throw error
      })
    await insert(q, 4)
  })
}

test.for(['toServer', 'toClient'] as const)(
  'a transaction whose context ends at any step is applied as a whole or not at all: %s',
  async (direction, t) => {
    const { ctx, db, proxy, active, count } = await openTestDatabase(t, 1)
    const backend = await db.run(ctx, backendOf)
    let at = 0
    for (let ended = true; ended;) {
      at++
      using request = withCancel(ctx)
      let step = 0
      proxy[direction] = (link) => {
        if (link.kind === 'session' && ++step === at) request.cancel(new Error(`at step ${at}`))
        return undefined
      }
      const outcome = await story(request, db).then(
        () => 'committed',
        (error: unknown) => error,
      )
      proxy[direction] = () => undefined
      if (outcome !== 'committed') expect(outcome, `at step ${at}`).toBe(cause(request))
      expect(await count('select count(*) from things'), `at step ${at}`).toBe(
        outcome === 'committed' ? 3 : 0,
      )
      expect(await active(), `at step ${at}`).toBe(0)
      await db.run(ctx, (q) => q.execute(sql`delete from things`))
      ended = request.err !== undefined
    }
    // BEGIN, three inserts that stay and one that does not, two savepoints, their ends, and COMMIT.
    expect(at).toBeGreaterThan(10)
    expect(await db.run(ctx, backendOf)).toBe(backend)
    expect(db.stats()).toEqual({ total: 1, idle: 1, waiting: 0 })
  },
)

test.for(['statement_timeout', 'idle_in_transaction_session_timeout'])(
  'the %s of a transaction is the rest of its deadline, or that of the role if it is shorter',
  async (name, t) => {
    const { ctx, db, proxy, observer } = await openTestDatabase(t, 1)
    const timeout = async (ms: number): Promise<unknown> => {
      using request = withTimeout(ctx, ms)
      const setting = sql`select setting::int from pg_settings where name = ${name}`
      const { rows } = await db.transaction(request, (q) => q.execute(setting))
      return rows[0]?.['setting']
    }
    const setTo = async (value: string): Promise<void> => {
      await observer.query(
        `do $$ begin execute format('alter database %I set ${name} = ${value}', current_database()); end $$`,
      )
      for (const link of proxy.links) link.cut()
      // The pool notices that its connection is gone.
      await eventually(async () => db.stats().total === 0)
    }

    expect(await timeout(20_000)).toBeGreaterThan(20_000)
    await setTo('7000')
    expect(await timeout(20_000)).toBe(7_000)
    expect(await timeout(3_000)).toBeLessThanOrEqual(4_000)
    if (name !== 'statement_timeout') return
    await setTo('300')
    using request = withTimeout(ctx, 20_000)
    const slow = db.transaction(request, (q) => q.execute(sql`select pg_sleep(10)`))
    await expect(slow).rejects.toMatchObject({ name: 'QueryFailed', sqlState: '57014' })
  },
)

test('a transaction that hangs past its deadline loses its locks, and the pool has a connection again', async (t) => {
  const { ctx, db, count, observer } = await openTestDatabase(t, 1)
  await observer.query('insert into things values (1)')
  using request = withTimeout(ctx, 500)

  const still = db.transaction(request, async (q) => {
    await q.execute(sql`update things set name = 'still'`)
    // Waits for the lock.
    await observer.query(`update things set name = 'next'`)
  })

  await expect(still).rejects.toBe(DeadlineExceeded)
  expect(await count(`select count(*) from things where name = 'next'`)).toBe(1)
  await db.run(ctx, backendOf)
})

test.for([
  ['a deadlock', '40P01'],
  ['a serialization failure', '40001'],
  ['a lock that is not available', '55P03'],
] as const)(
  '%s is a 503 with Retry-After, and the transaction succeeds when it is tried again',
  async ([, state], t) => {
    const { ctx, db, count, observer } = await openTestDatabase(t, 2)
    await observer.query('insert into things values (1), (2)')
    const failures = await lose(ctx, db, state)

    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(failures[0]).toMatchObject({ cause: { name: 'QueryFailed', sqlState: state } })

    await db.transaction(ctx, async (q) => {
      await q.execute(sql`set transaction isolation level serializable`)
      await q.execute(sql`update things set name = 'again'`)
    })
    expect(await count(`select count(*) from things where name = 'again'`)).toBe(2)
  },
)

test('a body that catches the failure of a lock, its own or a savepoint’s, finds the SQLSTATE', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t, 1)
  await observer.query('insert into things values (1)')
  await observer.query('begin; select from things for update')
  const lock = (q: Queries): Promise<unknown> => q.execute(sql`select from things for update nowait`)
  const stateOf = (error: unknown): unknown => queryFailure(error)?.sqlState

  expect(await db.run(ctx, (q) => lock(q).catch(stateOf))).toBe('55P03')
  expect(await db.transaction(ctx, (q, ctx) => q.savepoint(ctx, lock).catch(stateOf))).toBe('55P03')

  await observer.query('rollback')
})

/** Runs two transactions, one of which fails. @returns the failures */
async function lose(ctx: Context, db: Database, state: '40P01' | '40001' | '55P03'): Promise<unknown[]> {
  const met = [deferred(), deferred()]
  const both = Promise.all(met.map(({ promise }) => promise))
  const update = (q: Queries, id: number): Promise<unknown> =>
    q.execute(sql`update things set name = 'x' where id = ${id}`)
  const bodies = {
    '40P01': async (q: Queries, me: number) => {
      await update(q, 1 + me)
      met[me]?.resolve(undefined)
      await both
      await update(q, 2 - me)
    },
    '40001': async (q: Queries, me: number) => {
      await q.execute(sql`set transaction isolation level repeatable read`)
      await q.execute(sql`select from things`)
      met[me]?.resolve(undefined)
      await both
      await update(q, 1)
    },
    '55P03': async (q: Queries, me: number) => {
      if (me === 0) await update(q, 1)
      met[me]?.resolve(undefined)
      await both
      if (me === 1) await q.execute(sql`select from things where id = 1 for update nowait`)
      if (me === 0) await q.execute(sql`select pg_sleep(0.3)`)
    },
  }
  const all = await Promise.allSettled([0, 1].map((me) => db.transaction(ctx, (q) => bodies[state](q, me))))
  return all.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []))
}

test('a COMMIT that has been sent is not cancelled', async (t) => {
  const { ctx, db, proxy, count } = await openTestDatabase(t)
  using request = withCancel(ctx)
  proxy.toServer = (_link, bytes) => {
    if (bytes.includes('COMMIT')) request.cancel()
    return undefined
  }

  await db.transaction(request, (q) => insert(q, 1))

  expect(request.err).toBe(Canceled)
  expect(await count('select count(*) from things')).toBe(1)
  expect(proxy.seen.cancel).toBe(0)
})

test('a ROLLBACK that has been sent is not cancelled', async (t) => {
  const { ctx, db, proxy, count, active } = await openTestDatabase(t, 1)
  const backend = await db.run(ctx, backendOf)
  using request = withCancel(ctx)
  proxy.toServer = (_link, bytes) => {
    if (bytes.includes('ROLLBACK')) request.cancel()
    return undefined
  }

  const work = db.transaction(request, async (q) => {
    await insert(q, 1)
    throw new Error('on second thoughts')
  })

  await expect(work).rejects.toBe(Canceled)
  expect(await count('select count(*) from things')).toBe(0)
  expect(await active()).toBe(0)
  expect(proxy.seen.cancel).toBe(0)
  expect(await db.run(ctx, backendOf)).toBe(backend)
})

// Both wait for five seconds.
test(
  'an unanswered ROLLBACK delays its caller by at most five seconds, and its connection is closed',
  { concurrent: true },
  async (t) => {
    const { ctx, db, proxy, count } = await openTestDatabase(t, 1)
    proxy.toServer = (_link, bytes) => (bytes.includes('ROLLBACK') ? new Promise(() => undefined) : undefined)

    const work = db.transaction(ctx, async (q) => {
      await insert(q, 1)
      throw new Error('on second thoughts')
    })

    await expect(work).rejects.toThrow('on second thoughts')
    await db.run(ctx, (q) => q.execute(sql`select 1`))
    expect(proxy.seen.session).toBe(2)
    expect(await count('select count(*) from things')).toBe(0)
  },
)

test(
  'a savepoint may wait for its turn longer than Postgres may take to start it',
  { concurrent: true },
  async (t) => {
    const { ctx, db, count } = await openTestDatabase(t)

    await db.transaction(ctx, async (q, ctx) => {
      // Sent now: drizzle's queries begin with their `then`.
      const before = q.execute(sql`select pg_sleep(5.5)`).then(() => 'slept')
      await q.savepoint(ctx, (q) => insert(q, 1))
      await before
    })

    expect(await count('select count(*) from things')).toBe(1)
  },
)

test.for(['before Postgres saw it', 'after Postgres did it'])(
  'a connection lost during COMMIT is reported as such, even if the context has ended: %s',
  async (when, t) => {
    const { ctx, db, proxy, count } = await openTestDatabase(t)
    using request = withCancel(ctx)
    let committing = false
    proxy.toServer = (link, bytes) => {
      committing = bytes.includes('COMMIT')
      if (committing) request.cancel()
      if (committing && when.startsWith('before')) link.cut()
      return undefined
    }
    proxy.toClient = (link) => {
      if (committing) link.cut()
      return undefined
    }

    const work = db.transaction(request, (q) => insert(q, 1))

    await expect(work).rejects.toThrow(CommitOutcomeUnknown)
    expect(await count('select count(*) from things')).toBe(when.startsWith('before') ? 0 : 1)
  },
)

test('a commit that Postgres turned into a rollback is an error', async (t) => {
  const { ctx, db } = await openTestDatabase(t)

  const work = db.transaction(ctx, async (q) => {
    await q.execute(sql`select 1/0`).catch(() => undefined)
  })

  await expect(work).rejects.toThrow('the transaction was rolled back')
})

test('a commit that Postgres refuses is a failed query, not an unknown outcome', async (t) => {
  const { ctx, db } = await openTestDatabase(t)

  const work = db.transaction(ctx, async (q) => {
    await q.execute(sql`set constraints all deferred`)
    await insert(q, 1)
    await insert(q, 1)
  })

  await expect(work).rejects.toMatchObject({
    name: 'QueryFailed',
    sqlState: '23505',
    constraint: 'things_pkey',
  })
})

test('a connection with a transaction that was begun by hand and left open is not reused', async (t) => {
  const { ctx, db, active } = await openTestDatabase(t, 1)
  const backend = await db.run(ctx, backendOf)

  await db.run(ctx, (q) => q.execute(sql`begin`))

  await expect(db.run(ctx, backendOf)).resolves.not.toBe(backend)
  // Postgres notices the closed connection a moment later.
  await expect.poll(active).toBe(0)
})

test('each statement on a lost connection fails with an error of its own, which leads to it', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t)
  const failures: Error[] = []

  const work = db.transaction(ctx, async (q) => {
    const pid = await backendOf(q)
    await observer.query('select pg_terminate_backend($1, 5000)', [pid])
    for (let id = 1; id <= 3; id++)
      await insert(q, id).catch((error: unknown) => failures.push((error as Error).cause as Error))
  })

  await expect(work).rejects.toThrow()
  const [, second, third] = failures
  expect(second).toBeInstanceOf(ConnectionLost)
  expect(third).toBeInstanceOf(ConnectionLost)
  expect(third).not.toBe(second)
})

test('a savepoint that fails is rolled back alone', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t)

  await db.transaction(ctx, async (q, ctx) => {
    await insert(q, 1)
    const part = q.savepoint(ctx, async (q, ctx) => {
      await insert(q, 2)
      await q.savepoint(ctx, (q) => insert(q, 3))
      await expect(q.savepoint(ctx, (q) => insert(q, 1))).rejects.toMatchObject({ sqlState: '23505' })
      await insert(q, 4)
      await insert(q, 4).catch(() => undefined)
    })
    // Its last statement had failed, but the work did not throw.
    await expect(part).rejects.toMatchObject({ name: 'QueryFailed', sqlState: '25P02' })
    await insert(q, 5)
    await expect(
      q.savepoint(ctx, async (q) => {
        await insert(q, 6)
        return 'six'
      }),
    ).resolves.toBe('six')
  })

  const { rows } = await observer.query('select id from things order by id')
  expect(rows).toEqual([{ id: 1 }, { id: 5 }, { id: 6 }])
})

test('a savepoint whose deadline passes is cancelled and rolled back, and its transaction continues', async (t) => {
  const { ctx, db, observer } = await openTestDatabase(t)

  await db.transaction(ctx, async (q, ctx) => {
    await insert(q, 1)
    using brief = withTimeout(ctx, 50)
    const part = q.savepoint(brief, async (q) => {
      await insert(q, 2)
      await q.execute(sql`select pg_sleep(30)`).catch(() => {
        throw new Error('it is not for the work to say why')
      })
    })
    await expect(part).rejects.toBe(DeadlineExceeded)
    let late = false
    const another = q.savepoint(brief, () => Promise.resolve((late = true)))
    await expect(another).rejects.toBe(DeadlineExceeded)
    expect(late).toBe(false)
    await insert(q, 4)
  })

  const { rows } = await observer.query('select id from things order by id')
  expect(rows).toEqual([{ id: 1 }, { id: 4 }])
})

test('a transaction whose context ends inside of a savepoint is rolled back as a whole', async (t) => {
  const { ctx, db, active, count } = await openTestDatabase(t, 1)
  const backend = await db.run(ctx, backendOf)
  using request = withTimeout(ctx, 100)

  const work = db.transaction(request, async (q, ctx) => {
    await insert(q, 1)
    await q.savepoint(ctx, (q) => q.execute(sql`select pg_sleep(30)`)).catch(() => undefined)
  })

  await expect(work).rejects.toBe(DeadlineExceeded)
  expect(await count('select count(*) from things')).toBe(0)
  expect(await active()).toBe(0)
  expect(await db.run(ctx, backendOf)).toBe(backend)
})

test('while a savepoint is open, only its own handle works', async (t) => {
  const { ctx, db, count } = await openTestDatabase(t)

  await db.transaction(ctx, async (q, ctx) => {
    const misuse = 'while a savepoint of it was open'
    await q.savepoint(ctx, async (inner) => {
      await expect(insert(q, 1)).rejects.toMatchObject({
        cause: { message: expect.stringContaining(misuse) as string },
      })
      await expect(q.savepoint(ctx, () => Promise.resolve())).rejects.toThrow(misuse)
      await insert(inner, 2)
    })
    await insert(q, 3)
  })

  expect(await count('select count(*) from things')).toBe(2)
})

test('a savepoint that nobody awaits rolls the transaction back', async (t) => {
  const { ctx, db, active, count } = await openTestDatabase(t, 1)
  let part: Promise<unknown> = Promise.resolve()

  const work = db.transaction(ctx, async (q, ctx) => {
    await insert(q, 1)
    part = q.savepoint(ctx, async (q, ctx) => {
      await until(ctx, new Promise(() => undefined))
      await insert(q, 2)
    })
    part.catch(() => undefined)
  })

  await expect(work).rejects.toThrow('await it')
  await expect(part).rejects.toBe(Canceled)
  expect(await count('select count(*) from things')).toBe(0)
  expect(await active()).toBe(0)
})

async function backendOf(q: Queries): Promise<unknown> {
  const { rows } = await q.execute(sql`select pg_backend_pid() as pid`)
  return rows[0]?.['pid']
}

function deferred(): { promise: Promise<undefined>; resolve: (value: undefined) => void } {
  let resolve: (value: undefined) => void = () => undefined
  const promise = new Promise<undefined>((settle) => (resolve = settle))
  return { promise, resolve }
}
