import { sql } from 'drizzle-orm'
import { throwIfEnded, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { untraced } from './observed.ts'
import type { Consumer } from './consumer.ts'
import { tryAgain, type Inbox } from './handle.ts'
import { countHeld, take } from './held.ts'

/** How many loops of an instance look for held events, and how often each does. They share the instance's `concurrency`. */
const atOnce = 4
const lookMs = 1_000
/** How much longer than its timeout an attempt may take, before another instance takes the event. */
const leaseSlackMs = 10_000
/** How often the held events are counted. */
const countMs = 5_000
/** How much longer a mark is kept than the stream keeps its event, so that no event arrives again after its mark is deleted. */
const markSlackMs = 86_400_000
/** How often old marks are deleted, and how many at once. */
const sweepMs = 600_000
const sweepRows = 10_000

/** Tries held events when they are due, and counts them, until the worker is to stop. @throws the cause of ctx */
export async function keepHouse(ctx: Context, inbox: Inbox, consumers: readonly Consumer[]): Promise<void> {
  using loops = group(ctx)
  const often = (ms: number, work: (ctx: Context) => Promise<boolean>): void =>
    loops.go((ctx) => repeat(ctx, inbox, ms, work))
  for (let n = 0; n < atOnce; n++) often(lookMs, (ctx) => inbox.limit(() => tryOne(ctx, inbox, consumers)))
  often(countMs, (ctx) => count(ctx, inbox, consumers))
  await loops.wait()
}

/** Calls `work` every `ms` milliseconds, or at once after it has returned true, until a stop. @throws the cause of ctx */
async function repeat(
  ctx: Context,
  { log, stopping }: Inbox,
  ms: number,
  work: (ctx: Context) => Promise<boolean>,
): Promise<void> {
  while (!stopping.now) {
    let more = false
    try {
      more = await work(ctx)
    } catch (err) {
      throwIfEnded(ctx)
      log.warn(ctx, 'held events wait', { err })
    }
    if (!more) await stopping.pause(ctx, ms)
  }
}

/** Tries one held event that is due. @returns whether there was one */
async function tryOne(ctx: Context, inbox: Inbox, consumers: readonly Consumer[]): Promise<boolean> {
  // The worker may have been stopped while this waited for its turn.
  if (inbox.stopping.now) return false
  const types = consumers.map(({ type }) => type)
  const leaseMs = Math.max(...consumers.map(({ timeoutMs }) => timeoutMs)) + leaseSlackMs
  const event = await inbox.db.run(untraced(ctx), (q) => take(q, types, leaseMs))
  const consumer = consumers.find(({ type }) => type === event?.envelope.type)
  if (event === undefined || consumer === undefined) return false
  await tryAgain(ctx, inbox, consumer, event)
  return true
}

async function count(ctx: Context, inbox: Inbox, consumers: readonly Consumer[]): Promise<false> {
  const counts = await inbox.db.run(untraced(ctx), countHeld)
  for (const { type } of consumers) {
    const held = counts.find((one) => one.type === type) ?? { waiting: 0, parked: 0 }
    inbox.metrics.held(type, held)
    inbox.held.set(type, held.waiting + held.parked)
  }
  return false
}

/** Deletes marks whose events the stream no longer has, until the worker is to stop. @throws the cause of ctx */
export async function sweepMarks(ctx: Context, inbox: Inbox, type: string, keptMs: number): Promise<void> {
  if (keptMs === Infinity) return
  await repeat(ctx, inbox, sweepMs, async (ctx) => {
    const age = `${keptMs + markSlackMs} ms`
    const { rowCount } = await inbox.db.run(untraced(ctx), (q) =>
      q.execute(sql`delete from events.handled where ctid = any(array(
        select ctid from events.handled where type = ${type} and at < now() - ${age}::interval limit ${sweepRows}))`),
    )
    return rowCount === sweepRows
  })
}
