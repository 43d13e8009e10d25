import { AckPolicy, DeliverPolicy, type JsMsg } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import {
  afterFunc,
  cause,
  contextName,
  throwIfEnded,
  withCancel,
  withValue,
  type Context,
} from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { retry } from '../../context/retry.ts'
import { sleep } from '../../context/sleep.ts'
import { asking, BrokerLost, ensureStream, isMissing, type Broker } from './broker.ts'
import type { Consumer } from './consumer.ts'
import { partitions, subjectOf } from './event.ts'
import { receive, type Inbox } from './handle.ts'
import type { Received } from './held.ts'
import { consumerName, readLag } from './inbox-metrics.ts'
import { receivedFrom } from './received.ts'
import { sweepMarks } from './retries.ts'

/** The broker delivers an event again after this long without a sign of progress: the process has died. */
const ackWaitMs = 5_000
/** How often the service reports progress to the broker. */
const beatMs = 1_500
/**
 * The most events of a type that the database holds. Beyond that the service takes no more of them, and the broker keeps them.
 */
const mostHeld = 100_000
/** How often the service then checks whether it may take events of that type again. */
const fullMs = 1_000

/** Handles the events of one type until the worker is to stop. @throws Error if the broker refuses; the cause of ctx */
export async function followOne(
  ctx: Context,
  inbox: Inbox,
  broker: Broker,
  consumer: Consumer,
): Promise<void> {
  const keptMs = await ensureStream(ctx, broker, consumer.type)
  using all = group(ctx)
  for (let partition = 0; partition < partitions; partition++) {
    all.go(async (ctx) => {
      const name = await ensureConsumer(ctx, broker, inbox.database.applicationName, consumer.type, partition)
      await follow(ctx, inbox, broker, consumer, name)
    })
  }
  all.go((ctx) => readLag(ctx, inbox, broker, consumer.type))
  all.go((ctx) => sweepMarks(ctx, inbox, consumer.type, keptMs))
  await all.wait()
}

/** Makes or updates the broker's consumer of one partition, which all instances share. @returns its name */
async function ensureConsumer(
  ctx: Context,
  { manager }: Broker,
  service: string,
  type: string,
  partition: number,
): Promise<string> {
  const name = consumerName(service, type, partition)
  const wanted = {
    filter_subject: subjectOf(type, partition),
    ack_wait: nanos(ackWaitMs),
    // The broker delivers the next event only after the acknowledgement of this one.
    max_ack_pending: 1,
    max_deliver: -1,
  }
  try {
    const { config } = await asking(ctx, () => manager.consumers.info(type, name))
    const same = (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => config[key] === wanted[key])
    if (!same) await asking(ctx, () => manager.consumers.update(type, name, wanted))
  } catch (error) {
    throwIfEnded(ctx)
    if (!isMissing(error)) throw error
    const policies = { ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All }
    await asking(ctx, () => manager.consumers.add(type, { durable_name: name, ...policies, ...wanted }))
  }
  return name
}

/** Handles the events of one partition until the worker is to stop. @throws the cause of ctx */
async function follow(
  parent: Context,
  inbox: Inbox,
  { js, server }: Broker,
  consumer: Consumer,
  name: string,
): Promise<void> {
  using ctx = withCancel(withValue(parent, contextName, name))
  const source = await asking(ctx, () => js.consumers.get(consumer.type, name))
  const messages = await asking(ctx, () =>
    source.consume({ max_messages: 1, expires: 30_000, abort_on_missing_resource: true }),
  )
  // eslint-disable-next-line context/no-unowned-work -- the loop below ends when it has closed
  const close = (): void => void messages.close().catch(() => undefined)
  const stop = afterFunc(ctx, close)
  inbox.stopping.on(close)
  try {
    for await (const message of messages) {
      await settle(ctx, inbox, consumer, message, receivedFrom(consumer.type, message, server))
    }
    throwIfEnded(ctx)
    if (!inbox.stopping.now) throw new Error(`the broker has ended the consumer ${name}`)
  } finally {
    stop()
    inbox.stopping.off(close)
    close()
  }
}

/** Handles one message, and acknowledges it once the database has the outcome of its event. */
async function settle(
  ctx: Context,
  inbox: Inbox,
  consumer: Consumer,
  message: JsMsg,
  event: Received,
): Promise<void> {
  if (message.redelivered) inbox.metrics.redelivered(consumer.type)
  using beats = withCancel(ctx)
  // Starts the progress reports here, because the event may have to wait for its turn.
  const beating = beat(beats, message)
  try {
    await waitWhileFull(beats, inbox, consumer.type)
    const received = await inbox.limit(() => receiveUnlessStopping(beats, inbox, consumer, event))
    if (received) message.ack()
    else message.nak()
  } catch (error) {
    // The broker then delivers it again at once.
    if (!(cause(ctx) instanceof BrokerLost)) tell(() => message.nak())
    throw error
  } finally {
    beats.cancel()
    await beating
  }
}

/** Waits while too many events of the type are held, until the worker is to stop. @throws the cause of ctx */
async function waitWhileFull(ctx: Context, { held, stopping, log }: Inbox, type: string): Promise<void> {
  const isFull = (): boolean => (held.get(type) ?? 0) >= mostHeld && !stopping.now
  if (isFull())
    log.error(ctx, `consumers: ${mostHeld} events ${type} are held, so the broker keeps the others`)
  while (isFull()) await stopping.pause(ctx, fullMs)
}

/** @returns false if the worker is to stop, and the event was not received @throws the cause of ctx */
async function receiveUnlessStopping(
  parent: Context,
  inbox: Inbox,
  consumer: Consumer,
  event: Received,
): Promise<boolean> {
  if (inbox.stopping.now) return false
  const onRetry = (err: unknown, pauseMs: number): void => {
    if (pauseMs <= 100)
      inbox.log.warn(parent, `consumers: events ${consumer.type} wait for the database`, { err })
  }
  // Retries until the database can be reached: nothing else can be done with the event.
  await retry(parent, { maxPauseMs: 5_000, onRetry }, (ctx) => receive(ctx, inbox, consumer, event))
  return true
}

/** Reports progress on the message to the broker until ctx ends. Does not reject. */
async function beat(ctx: Context, message: JsMsg): Promise<void> {
  for (;;) {
    await sleep(ctx, beatMs).catch(() => undefined)
    if (ctx.err !== undefined) return
    tell(() => message.working())
  }
}

/** Calls `say`, and ignores its error if the connection has just closed: ctx is about to end too. */
function tell(say: () => void): void {
  try {
    say()
  } catch {
    // Nobody hears it, and the broker delivers the message again.
  }
}
