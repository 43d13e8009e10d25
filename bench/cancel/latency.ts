import { request } from 'node:http'
import pg from 'pg'
import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { requestCancel } from '../../templates/service/src/platform/postgres-cancel.ts'
import { watchLocks, type Locks } from './locks.ts'
import type { Options } from './options.ts'
import { startService } from './service.ts'

/** Milliseconds until a statement has ended in Postgres. */
export interface Latencies {
  /** From a bare cancel request, one at a time, with no service in between: what this machine and this Postgres take. */
  readonly bare: readonly number[]
  /** From a client's hang-up, each at its own time. */
  readonly spread: readonly number[]
  /** The same, when all that are connected hang up in one moment. */
  readonly together: readonly number[]
}

const bareCancels = 200
/** How long a client waits before it hangs up, at most: what makes 1,000 of 50 clients some 20 seconds. */
const patienceMs = 2_000

let lastKey = 0

/**
 * A statement of the service holds a lock; a connection of ours waits for that lock; the client hangs up, and the clock
 * runs until Postgres has given us the lock, which it does when the statement has ended: an event, not a poll.
 */
export async function measureLatency(ctx: Context, url: string, options: Options): Promise<Latencies> {
  const { concurrent, hangUps } = options
  await using service = await startService(ctx, url, concurrent)
  await using locks = await watchLocks(ctx, url)
  const observers = await Promise.all(
    Array.from({ length: concurrent }, async () => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      return client
    }),
  )
  try {
    const hold = (): Promise<Held> => holdLock(service.port, locks)
    // The first of each connection: dialled, its catalogues read, the code compiled.
    await Promise.all(observers.map(async (observer) => hangUp(ctx, locks, observer, await hold())))
    const bare = await measureBare(ctx, url, locks, observers[0])

    const spread: number[] = []
    let left = hangUps
    const clients = group(ctx)
    for (const observer of observers) {
      clients.go(async (ctx) => {
        while (left-- > 0) spread.push(await hangUp(ctx, locks, observer, await hold(), patienceMs))
      })
    }
    await clients.wait()

    const together: number[] = []
    while (together.length < hangUps) {
      throwIfEnded(ctx)
      const held = await Promise.all(observers.map(hold))
      const ready = await Promise.all(observers.map((observer, i) => awaitLock(locks, observer, held[i])))
      const now = performance.now()
      for (const { leave } of ready) leave()
      together.push(...(await Promise.all(ready.map(async ({ granted }) => (await granted) - now))))
    }
    return { bare, spread, together: together.slice(0, hangUps) }
  } finally {
    await Promise.all(observers.map((observer) => observer.end()))
  }
}

interface Held {
  readonly key: number
  /** The client hangs up. */
  readonly leave: () => void
}

/** Resolves when the statement of a new request runs. */
async function holdLock(port: number, locks: Locks): Promise<Held> {
  const key = ++lastKey
  const held = locks.seen(key, 'held')
  const sent = request({ port, host: '127.0.0.1', path: `/hold/${key}`, agent: false })
  sent.on('error', () => undefined)
  sent.end()
  await held
  return { key, leave: () => sent.destroy() }
}

interface Ready {
  readonly leave: () => void
  /** When the lock was granted, by performance.now(). */
  readonly granted: Promise<number>
}

async function awaitLock(locks: Locks, observer: pg.Client, held: Held | undefined): Promise<Ready> {
  if (held === undefined) throw new Error('there is a lock for each observer')
  const awaited = locks.seen(held.key, 'awaited')
  const granted = observer.query('select pg_advisory_xact_lock($1)', [held.key]).then(() => performance.now())
  await awaited
  return { leave: held.leave, granted }
}

/** Hangs up after up to `patienceMs`. */
async function hangUp(
  ctx: Context,
  locks: Locks,
  observer: pg.Client,
  held: Held,
  patienceMs = 0,
): Promise<number> {
  const { leave, granted } = await awaitLock(locks, observer, held)
  await sleep(ctx, Math.random() * patienceMs)
  const now = performance.now()
  leave()
  return (await granted) - now
}

async function measureBare(
  ctx: Context,
  url: string,
  locks: Locks,
  observer: pg.Client | undefined,
): Promise<number[]> {
  if (observer === undefined) return []
  // A client of the pool is a Client, and more that is not needed here.
  const client = new pg.Client({ connectionString: url }) as unknown as pg.PoolClient
  await client.connect()
  const times: number[] = []
  try {
    while (times.length < bareCancels) {
      throwIfEnded(ctx)
      const key = ++lastKey
      const held = locks.seen(key, 'held')
      const ended = client
        .query('select pg_advisory_xact_lock($1), pg_sleep(60)', [key])
        .catch(() => undefined)
      await held
      let cancelled: Promise<void> | undefined
      const leave = (): void => {
        cancelled = requestCancel(client, 5_000)
      }
      times.push(await hangUp(ctx, locks, observer, { key, leave }))
      await Promise.all([ended, cancelled])
    }
  } finally {
    await (client as unknown as pg.Client).end()
  }
  return times
}
