import { AckPolicy, DeliverPolicy, type JsMsg } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import pLimit, { type LimitFunction } from 'p-limit'
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
import { until } from '../../context/until.ts'
import type { Worker } from '../lifecycle/workers.ts'
import {
  asking,
  BrokerLost,
  ensureStream,
  keepConnected,
  type Broker,
  type BrokerPlatform,
} from './broker.ts'
import type { Consumer } from './consumer.ts'
import { partitions, subjectOf } from './event.ts'
import { receive, type Inbox } from './handle.ts'
import { observeInbox } from './inbox-metrics.ts'
import { receivedFrom } from './received.ts'
import { consumerName, readLag } from './lag.ts'
import { keepHouse } from './retries.ts'
import { notStopping } from './stopping.ts'

/** The broker delivers an event again if it hears nothing of it for this long: the process has died. */
const ackWaitMs = 5_000
/** An event that was delivered more often and never answered is parked: most likely it ends the process each time. */
const mostDeliveries = 20
/** How often it hears that an event is still being handled. */
const beatMs = 1_500

/** What the loops of one process share. */
export interface Follower extends Inbox {
  readonly limit: LimitFunction
}

/**
 * Handles events from the broker, `concurrency` at a time. Each partition of a type is a consumer of the broker that has at most one
 * event out at a time: so the events of a key are handled in their order, by any of the instances, and the broker keeps what
 * they cannot take yet. An event that fails leaves the broker and waits in the database (held.ts): it holds up its key alone.
 *
 * The context of a handler descends from the server context. A shutdown drains events as it drains requests; one that is
 * cancelled with the server context is given back, and the broker delivers it again.
 */
export function inboxWorker(
  platform: BrokerPlatform,
  consumers: readonly Consumer[],
  { concurrency }: { concurrency: number },
): Worker {
  return {
    name: 'consumers',
    async start(_ctx, serving) {
      const metrics = observeInbox(consumers.map(({ type }) => type))
      const stopping = notStopping()
      const inbox = {
        ...platform,
        metrics,
        stopping,
        underWay: new Set<string>(),
        limit: pLimit(concurrency),
      }
      const working = keepConnected(serving, stopping, platform, 'consumers', (ctx, broker) =>
        followAll(ctx, inbox, broker, consumers),
      )
      const held = withValue(serving, contextName, 'held events')
      // eslint-disable-next-line context/no-swallowed-end -- once the server context has ended, there is nothing to wait for
      const retrying = keepHouse(held, inbox, consumers).catch(() => undefined)
      return {
        underWay: () => [...inbox.underWay],
        async stop(ctx) {
          stopping.stop()
          await until(ctx, working)
          await until(ctx, retrying)
        },
      }
    },
  }
}

async function followAll(
  ctx: Context,
  inbox: Follower,
  broker: Broker,
  consumers: readonly Consumer[],
): Promise<void> {
  using all = group(ctx)
  for (const consumer of consumers) {
    await ensureStream(ctx, broker, consumer.type)
    for (let partition = 0; partition < partitions; partition++) {
      const name = await ensureConsumer(ctx, broker, inbox.database.applicationName, consumer.type, partition)
      all.go((ctx) => follow(ctx, inbox, broker, consumer, name))
    }
  }
  all.go((ctx) => readLag(ctx, inbox, broker, consumers))
  await all.wait()
}

/** Makes the broker's consumer of one partition, which all instances share. @returns its name */
async function ensureConsumer(
  ctx: Context,
  { manager }: Broker,
  service: string,
  type: string,
  partition: number,
): Promise<string> {
  const name = consumerName(service, type, partition)
  const wanted = {
    durable_name: name,
    filter_subject: subjectOf(type, partition),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ackWaitMs),
    // One after the other.
    max_ack_pending: 1,
  }
  await asking(ctx, () => manager.consumers.add(type, wanted))
  return name
}

/** Handles the events of one partition until the worker is to stop. @throws the cause of ctx */
async function follow(
  parent: Context,
  inbox: Follower,
  { js }: Broker,
  consumer: Consumer,
  name: string,
): Promise<void> {
  using ctx = withCancel(withValue(parent, contextName, name))
  const source = await asking(ctx, () => js.consumers.get(consumer.type, name))
  const messages = await asking(ctx, () => source.consume({ max_messages: 1, expires: 30_000 }))
  // eslint-disable-next-line context/no-unowned-work -- the loop below ends when it has closed
  const close = (): void => void messages.close().catch(() => undefined)
  const stop = afterFunc(ctx, close)
  inbox.stopping.on(close)
  try {
    for await (const message of messages) {
      await inbox.limit(() => settle(ctx, inbox, consumer, message))
    }
    throwIfEnded(ctx)
    if (!inbox.stopping.now) throw new Error(`the broker has ended the consumer ${name}`)
  } finally {
    stop()
    inbox.stopping.off(close)
    close()
  }
}

/** Handles one message, and acknowledges it once the database knows what becomes of its event. */
async function settle(ctx: Context, inbox: Follower, consumer: Consumer, message: JsMsg): Promise<void> {
  if (inbox.stopping.now) {
    message.nak()
    return
  }
  if (message.redelivered) inbox.metrics.redelivered(consumer.type)
  const event = receivedFrom(consumer.type, message, mostDeliveries)
  using beats = withCancel(ctx)
  const beating = beat(beats, message)
  try {
    // Until the database can be reached: nothing else can be done with the event.
    await retry(beats, { maxPauseMs: 5_000 }, (ctx) => receive(ctx, inbox, consumer, event))
    message.ack()
  } catch (error) {
    // To be delivered again at once.
    if (!(cause(ctx) instanceof BrokerLost)) message.nak()
    throw error
  } finally {
    beats.cancel()
    await beating
  }
}

/** Tells the broker that the message is being worked on, until ctx ends. Does not reject. */
async function beat(ctx: Context, message: JsMsg): Promise<void> {
  for (;;) {
    await sleep(ctx, beatMs).catch(() => undefined)
    if (ctx.err !== undefined) return
    message.working()
  }
}
