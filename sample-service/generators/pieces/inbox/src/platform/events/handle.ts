import { propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import type { LimitFunction } from 'p-limit'
import {
  contextName,
  throwIfEnded,
  withoutCancel,
  withTimeout,
  withValue,
  type Context,
} from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import { causeName } from '../causes.ts'
import type { Transaction, TransactionBody } from '../database/transaction.ts'
import type { Platform } from '../platform.ts'
import { failSpan, otelKey, span } from '../telemetry/span.ts'
import { NeverAnswered, NotUnderstood, type Consumer } from './consumer.ts'
import { partitionOf, withSender } from './event.ts'
import {
  giveBack,
  hold,
  holdBehind,
  holdNow,
  lockKey,
  mark,
  markUnlessBehind,
  release,
  type Received,
} from './held.ts'
import type { InboxMetrics, Outcome } from './inbox-metrics.ts'
import { operationOn, untraced } from './observed.ts'
import type { Stopping } from './stopping.ts'

/** What `handle` needs. */
export interface Inbox extends Platform {
  readonly metrics: InboxMetrics
  readonly stopping: Stopping
  /** The events that are being handled, one line each. */
  readonly underWay: Set<string>
  /** How many events of each type were held at the last count. */
  readonly held: Map<string, number>
  /** Bounds how many events are handled at the same time. */
  readonly limit: LimitFunction
}

/** The pause after the first failure; it doubles with each. */
const firstPauseMs = 1_000
const maxPauseMs = 300_000
/** How long it may take to record that an event has failed. */
const holdMs = 5_000
/**
 * How often the broker may deliver an event before it is held: an event that arrives more often may crash the process. The broker
 * also counts deliveries that a stop or a lost connection interrupted; the database counts only attempts.
 */
const mostDeliveries = 5
const failures: readonly Outcome[] = ['failed', 'parked', 'given back']

/**
 * Handles an event that the broker delivers. Holds it instead if an earlier event of its key is held, or if it fails. When this
 * resolves, the database has the outcome of the event, and the broker may forget it.
 * @throws the cause of ctx when it ends; DeadlineExceeded or a 503 Problem if there is no transaction in time
 */
export function receive(ctx: Context, inbox: Inbox, consumer: Consumer, event: Received): Promise<void> {
  return attempt(ctx, inbox, consumer, event, async (q, ctx) => {
    if (event.fault !== undefined) throw event.fault
    await lockKey(q, event.envelope)
    if (event.deliveries > mostDeliveries) {
      if (!(await holdBehind(q, event))) await holdNow(q, event)
      return 'held'
    }
    if (!(await markUnlessBehind(q, event))) return (await holdBehind(q, event)) ? 'held' : 'duplicate'
    return await handle(ctx, consumer, event, q)
  })
}

/** Tries an event that was taken, unless another instance has done so meanwhile. @throws as `receive` does */
export async function tryAgain(
  ctx: Context,
  inbox: Inbox,
  consumer: Consumer,
  event: Received,
): Promise<void> {
  try {
    await attempt(ctx, inbox, consumer, event, async (q, ctx) => {
      if (event.attempts >= consumer.maxAttempts) throw new NeverAnswered(event.attempts)
      await lockKey(q, event.envelope)
      if (!(await release(q, event)) || !(await mark(q, event))) return 'duplicate'
      return await handle(ctx, consumer, event, q)
    })
  } catch (error) {
    // The event has not failed: the server stops, or the database is away. Detached, since ctx may have ended.
    using last = withTimeout(withoutCancel(ctx), holdMs)
    await inbox.db.run(untraced(last), (q) => giveBack(q, event)).catch(() => undefined)
    throw error
  }
}

/**
 * Does not wait for a handler that continues after ctx has ended: its transaction is rolled back, and `q` refuses its statements.
 */
async function handle(ctx: Context, consumer: Consumer, event: Received, q: Transaction): Promise<Outcome> {
  await until(ctx, consumer.handle(ctx, event.envelope, event.data, q))
  return 'handled'
}

/** Makes one attempt, with its own context, a trace that links to the publisher's, a transaction and a line in the log. */
async function attempt(
  parent: Context,
  inbox: Inbox,
  consumer: Consumer,
  event: Received,
  work: TransactionBody<Outcome>,
): Promise<void> {
  const line = `event ${consumer.type} (${event.envelope.id})`
  inbox.underWay.add(line)
  const startedAt = performance.now()
  const sent = withSender(parent, event.envelope, event.headers)
  using timed = withTimeout(withValue(sent, contextName, `event ${consumer.type}`), consumer.timeoutMs)
  const state = { begun: false }
  try {
    await span(timed, `process ${consumer.type}`, spanOptions(event), async (ctx) => {
      try {
        const outcome = await inbox.db.transaction(ctx, (q, ctx) => {
          state.begun = true
          return work(q, ctx)
        })
        report(ctx, inbox, event, startedAt, outcome)
      } catch (error) {
        if (parent.err !== undefined) report(ctx, inbox, event, startedAt, 'given back')
        throwIfEnded(parent)
        // The database is away or busy: the event has not failed.
        if (!state.begun) throw error
        failSpan(ctx, error)
        const parked = error instanceof NotUnderstood || event.attempts + 1 >= consumer.maxAttempts
        const pauseMs = parked ? undefined : Math.min(firstPauseMs * 2 ** event.attempts, maxPauseMs)
        const spans = ctx.value(otelKey) ?? ROOT_CONTEXT
        // Not below ctx, whose deadline may have passed.
        await writeDown(withValue(parent, otelKey, spans), inbox, event, pauseMs, error)
        report(ctx, inbox, event, startedAt, parked ? 'parked' : 'failed', error)
      }
    })
  } finally {
    inbox.underWay.delete(line)
  }
}

async function writeDown(
  parent: Context,
  { db }: Inbox,
  event: Received,
  pauseMs: number | undefined,
  error: unknown,
): Promise<void> {
  using ctx = withTimeout(parent, holdMs)
  await db.transaction(ctx, (q) => hold(q, event, pauseMs, errorOf(error)))
}

function spanOptions({ envelope: { id, type, key }, headers, attempts, server }: Received) {
  const publisher = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers))
  return {
    kind: SpanKind.CONSUMER,
    attributes: {
      ...operationOn(type, 'process'),
      ...server,
      'messaging.destination.partition.id': String(partitionOf(key)),
      'messaging.message.id': id,
      'event.attempt': attempts + 1,
    },
    links: publisher === undefined ? [] : [{ context: publisher }],
  }
}

function report(
  ctx: Context,
  { log, metrics }: Inbox,
  event: Received,
  startedAt: number,
  outcome: Outcome,
  err?: unknown,
): void {
  const { envelope, headers, attempts } = event
  const ms = performance.now() - startedAt
  const errorType = failures.includes(outcome) ? (causeName(ctx) ?? errorOf(err).name) : undefined
  metrics.attempted(event, outcome, ms / 1_000, errorType)
  const fields = {
    event: envelope.type,
    eventId: envelope.id,
    key: envelope.key,
    attempt: attempts + 1,
    outcome,
    durationMs: Math.round(ms * 1e3) / 1e3,
    publishedIn: /^00-([0-9a-f]{32})-/.exec(headers['traceparent'] ?? '')?.[1],
    ...(ctx.err !== undefined && { cause: causeName(ctx) }),
    ...(err !== undefined && { err }),
  }
  if (outcome === 'parked') log.error(ctx, 'event', fields)
  else if (outcome === 'failed') log.warn(ctx, 'event', fields)
  else log.info(ctx, 'event', fields)
}
