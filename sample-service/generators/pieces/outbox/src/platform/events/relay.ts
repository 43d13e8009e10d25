import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { sql } from 'drizzle-orm'
import { contextName, throwIfEnded, withTimeout, withValue, type Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { until } from '../../context/until.ts'
import type { Worker } from '../lifecycle/workers.ts'
import { Problem } from '../problem.ts'
import { keepConnected, type Broker, type BrokerPlatform } from './broker.ts'
import { observeOutbox } from './outbox-metrics.ts'
import { published } from './outbox.ts'
import { batch, round, type Relay } from './send.ts'
import { notStopping } from './stopping.ts'
import { untraced } from './observed.ts'

/** How often an idle worker polls. For this long after an event it polls every `awakeMs`, since a transaction may commit late. */
const idleMs = 500
const awakeMs = 10
/** How often the size of the table is read. */
const measureMs = 5_000
/** The longest pause after a failure. */
const maxPauseMs = 10_000

/**
 * Hands committed events to the broker, one instance at a time, because the events of a key must leave in their order. It deletes
 * an event once the broker has it. If the process dies in between, the event is sent again under the same id, and the broker
 * drops it, or after its duplicate window the consumer. While the broker is away, events wait in the table.
 */
export function outboxWorker(platform: BrokerPlatform): Worker {
  return {
    name: 'outbox',
    async start(_ctx, serving) {
      const relay: Relay = {
        ...platform,
        ...{ metrics: observeOutbox(), stopping: notStopping() },
        ...{ known: new Set<string>(), stuck: new Map<string, never>(), handing: 0 },
      }
      const working = keepConnected(serving, relay.stopping, platform, 'outbox', (ctx, broker) =>
        handOver(untraced(withValue(ctx, contextName, 'outbox')), relay, broker),
      )
      // Not in the other loop, which waits while the broker is away.
      const sizes = untraced(withValue(serving, contextName, 'outbox size'))
      // eslint-disable-next-line context/no-swallowed-end -- once the server context has ended, there is nothing to wait for
      const measuring = measure(sizes, relay).catch(() => undefined)
      return {
        underWay: () => (relay.handing > 0 ? [`outbox (${relay.handing} events)`] : []),
        async stop(ctx) {
          relay.stopping.stop()
          await until(ctx, working)
          await until(ctx, measuring)
        },
      }
    },
  }
}

/** Polls for events until the worker is to stop. @throws the cause of ctx, which ends with the connection */
async function handOver(ctx: Context, relay: Relay, broker: Broker): Promise<void> {
  relay.known.clear()
  let awakeUntil = 0
  let failures = 0
  while (!relay.stopping.now) {
    let handed = 0
    try {
      handed = await round(ctx, relay, broker)
      failures = 0
    } catch (err) {
      throwIfEnded(ctx)
      failures++
      relay.log.warn(ctx, 'outbox: events wait', { err })
    }
    if (handed > 0) awakeUntil = performance.now() + idleMs
    if (handed === batch) continue
    const pauseMs = performance.now() < awakeUntil ? awakeMs : idleMs
    const woken = await pause(
      ctx,
      relay,
      failures === 0 ? pauseMs : Math.min(100 * 2 ** failures, maxPauseMs),
    )
    if (woken) awakeUntil = performance.now() + idleMs
  }
}

/** Reports the size of the table until the worker is to stop. @throws the cause of ctx */
async function measure(ctx: Context, { db, log, metrics, stopping }: Relay): Promise<void> {
  while (!stopping.now) {
    try {
      const { rows } = await db.run(ctx, (q) => q.execute<{ waiting: number; oldest: number }>(size))
      metrics.waiting(rows[0]?.waiting ?? 0, rows[0]?.oldest ?? 0)
    } catch (err) {
      throwIfEnded(ctx)
      // A Problem means that the database is away, which its own metrics show.
      if (!(err instanceof Problem)) log.warn(ctx, 'outbox: cannot read its size', { err })
    }
    await stopping.pause(ctx, measureMs)
  }
}

/** Counts up to a limit, because an exact count would read the whole table. */
const size = sql`select (select count(*)::int from (select from events.outbox limit 10000) as bounded) as waiting,
  coalesce(extract(epoch from now() - (select created_at from events.outbox order by number limit 1)), 0)::float8 as oldest`

/** Waits for `ms` milliseconds, for an event of this process, or for the stop. @returns whether there was an event */
async function pause(parent: Context, { stopping }: Relay, ms: number): Promise<boolean> {
  using ctx = withTimeout(parent, ms)
  let woken = false
  const end = (): void => ctx.cancel()
  const wake = (): void => {
    woken = true
    ctx.cancel()
  }
  stopping.on(end)
  subscribe(published.name, wake)
  try {
    await ended(ctx)
  } finally {
    stopping.off(end)
    unsubscribe(published.name, wake)
  }
  throwIfEnded(parent)
  return woken
}
