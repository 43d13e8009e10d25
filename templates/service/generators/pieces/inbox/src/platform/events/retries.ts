import { sql } from 'drizzle-orm'
import { throwIfEnded, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { untraced } from './untraced.ts'
import type { Consumer } from './consumer.ts'
import { tryAgain, type Inbox } from './handle.ts'
import { countHeld, dueEvents } from './held.ts'

/** How often an instance looks for held events that are due, and how many it tries at the same time. */
const lookMs = 1_000
const atOnce = 4
/** A mark must last longer than the event can arrive again: longer than the stream keeps it. */
const keptDays = 8
/** How often old marks are deleted, and how many at once. */
const sweepMs = 600_000
const sweepRows = 10_000

/** Tries held events again when they are due, counts them, and deletes old marks, until the worker is to stop. @throws the cause of ctx */
export async function keepHouse(ctx: Context, inbox: Inbox, consumers: readonly Consumer[]): Promise<void> {
  let sweepAt = performance.now() + sweepMs
  while (!inbox.stopping.now) {
    let tried = 0
    try {
      tried = await retryDue(ctx, inbox, consumers)
      await count(ctx, inbox, consumers)
      if (performance.now() > sweepAt && (await sweep(ctx, inbox)) < sweepRows)
        sweepAt = performance.now() + sweepMs
    } catch (err) {
      throwIfEnded(ctx)
      inbox.log.warn(ctx, 'held events wait', { err })
    }
    // There may be more behind those that were handled.
    if (tried === 0) await inbox.stopping.pause(ctx, lookMs)
  }
}

async function retryDue(ctx: Context, inbox: Inbox, consumers: readonly Consumer[]): Promise<number> {
  const types = consumers.map(({ type }) => type)
  const events = await inbox.db.run(untraced(ctx), (q) => dueEvents(q, types, atOnce))
  using all = group(ctx, { limit: atOnce })
  for (const event of events) {
    const consumer = consumers.find(({ type }) => type === event.envelope.type)
    if (consumer !== undefined) all.go((ctx) => tryAgain(ctx, inbox, consumer, event))
  }
  await all.wait()
  return events.length
}

async function count(ctx: Context, { db, metrics }: Inbox, consumers: readonly Consumer[]): Promise<void> {
  const counts = await db.run(untraced(ctx), countHeld)
  for (const { type } of consumers) {
    metrics.held(type, counts.find((one) => one.type === type) ?? { waiting: 0, parked: 0 })
  }
}

/** @returns how many marks it deleted */
async function sweep(ctx: Context, { db }: Inbox): Promise<number> {
  const { rowCount } = await db.run(untraced(ctx), (q) =>
    q.execute(sql`delete from events.handled where ctid = any(array(
      select ctid from events.handled where at < now() - make_interval(days => ${keptDays}) limit ${sweepRows}))`),
  )
  return rowCount ?? 0
}
