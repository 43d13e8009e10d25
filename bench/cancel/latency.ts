import { request } from 'node:http'
import pg from 'pg'
import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { PostgresClient } from '../../templates/service/src/platform/database/client.ts'
import { sendCancelRequest } from '../../templates/service/src/platform/database/packet.ts'
import { watchLocks, type Locks } from './locks.ts'
import { machineMs, type Marks } from './marks.ts'
import type { Options } from './options.ts'
import { startService } from './service.ts'

/** Milliseconds until a statement has ended in Postgres. */
export interface Latencies {
  /** From a bare cancel request, one at a time, without a service: what this machine and this Postgres take. */
  readonly bare: Measured
  /** From a client's hang-up, one at a time. */
  readonly single: Measured
  /** The same with many clients, each of which hangs up at its own time. */
  readonly spread: Measured
  /** The same when all connected clients hang up at once. */
  readonly together: Measured
  /** The parts of the milliseconds in `single`. */
  readonly parts: Parts
}

export interface Measured {
  readonly times: readonly number[]
  /** How many connections to Postgres were opened meanwhile. Postgres forks for each. */
  readonly sent: number
}

/** Milliseconds from the client's hang-up to the named event. */
export type Parts = ReturnType<typeof noParts>

const singles = 200
/** The longest time before a client hangs up: 1,000 hang-ups of 50 clients take some 20 seconds. */
const patienceMs = 2_000

let lastKey = 0

/**
 * A statement of the service holds a lock, and a connection of ours waits for it. The client hangs up, and the clock runs until
 * Postgres grants us the lock, which it does when the statement has ended. So the bench need not poll.
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
    // The first request of each connection connects, reads catalogues and compiles code.
    const warmUp = () =>
      Promise.all(observers.map(async (observer) => hangUp(ctx, locks, observer, await hold())))
    await warmUp()
    const bare = await measureBare(ctx, url, locks, observers[0])
    const marks = async (): Promise<Marks> =>
      (await (await fetch(`http://127.0.0.1:${service.port}/marks`)).json()) as Marks
    const counted = async (measure: () => Promise<number[]>): Promise<Measured> => {
      const before = await marks()
      const times = await measure()
      return { times, sent: (await marks()).dialled - before.dialled }
    }

    const parts = noParts()
    const single = await counted(() => measureSingle(ctx, locks, observers[0], hold, marks, parts))
    // Opens the pool's connections, which were closed while idle: otherwise the bench would also measure 50 forks at once.
    await warmUp()
    const spread = await counted(async () => {
      const times: number[] = []
      let left = hangUps
      const clients = group(ctx)
      for (const observer of observers) {
        clients.go(async (ctx) => {
          while (left-- > 0) times.push(await hangUp(ctx, locks, observer, await hold(), patienceMs))
        })
      }
      await clients.wait()
      return times
    })
    const together = await counted(async () => {
      const times: number[] = []
      while (times.length < hangUps) {
        throwIfEnded(ctx)
        const held = await Promise.all(observers.map(hold))
        const ready = await Promise.all(observers.map((observer, i) => awaitLock(locks, observer, held[i])))
        const now = performance.now()
        for (const { leave } of ready) leave()
        times.push(...(await Promise.all(ready.map(async ({ granted }) => (await granted) - now))))
      }
      return times
    })
    return { bare, single, spread, together, parts }
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
): Promise<Measured> {
  if (observer === undefined) return { times: [], sent: 0 }
  const client = new PostgresClient({ connectionString: url })
  await client.connect()
  const times: number[] = []
  try {
    while (times.length < singles) {
      throwIfEnded(ctx)
      const key = ++lastKey
      const held = locks.seen(key, 'held')
      const ended = client
        .query('select pg_advisory_xact_lock($1), pg_sleep(60)', [key])
        .catch(() => undefined)
      await held
      let cancelled: Promise<unknown> | undefined
      const leave = (): void => {
        cancelled = sendCancelRequest(ctx, client, new PostgresClient({ connectionString: url }))
      }
      times.push(await hangUp(ctx, locks, observer, { key, leave }))
      await Promise.all([ended, cancelled])
    }
  } finally {
    await client.end()
  }
  return { times, sent: times.length }
}

function noParts() {
  return {
    'the context of the request has ended': [] as number[],
    'the statement has ended: its lock is granted': [] as number[],
    'the call has rejected, and its connection is free again': [] as number[],
  }
}

/** Measures one hang-up at a time, so that the last marks of the service belong to it. */
async function measureSingle(
  ctx: Context,
  locks: Locks,
  observer: pg.Client | undefined,
  hold: () => Promise<Held>,
  marks: () => Promise<Marks>,
  parts: Parts,
): Promise<number[]> {
  const times: number[] = []
  if (observer === undefined) return times
  while (times.length < singles) {
    throwIfEnded(ctx)
    const { key, leave } = await hold()
    let left = 0
    const noted = {
      key,
      leave: () => {
        left = machineMs()
        leave()
      },
    }
    const ms = await hangUp(ctx, locks, observer, noted)
    times.push(ms)
    let seen = await marks()
    while (seen.rejected < left) {
      await sleep(ctx, 5)
      seen = await marks()
    }
    parts['the context of the request has ended'].push(seen.ended - left)
    parts['the statement has ended: its lock is granted'].push(ms)
    parts['the call has rejected, and its connection is free again'].push(seen.rejected - left)
  }
  return times
}
