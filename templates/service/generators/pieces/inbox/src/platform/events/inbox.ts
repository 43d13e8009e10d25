import pLimit from 'p-limit'
import { contextName, withValue, type Context } from '../../context/context.ts'
import { group } from '../../context/group.ts'
import { until } from '../../context/until.ts'
import type { Worker } from '../lifecycle/workers.ts'
import { keepConnected, loggedFailures, type Broker, type BrokerPlatform } from './broker.ts'
import type { Consumer } from './consumer.ts'
import { followOne } from './follow.ts'
import type { Inbox } from './handle.ts'
import { observeInbox } from './inbox-metrics.ts'
import { keepHouse } from './retries.ts'
import { keepTrying, notStopping } from './stopping.ts'

/**
 * Handles events from the broker, `concurrency` at a time. Each partition of a type is a consumer of the broker that has at most
 * one event out at a time. So the instances together handle the events of a key in their order, and the broker keeps the events
 * that they cannot take yet. A failed event leaves the broker and waits in the database (held.ts), where it delays only its own
 * key.
 *
 * The context of a handler descends from the server context. A shutdown drains events as it drains requests. An event that is
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
      refuseTwice(consumers)
      const metrics = observeInbox(consumers.map(({ type }) => type))
      const stopping = notStopping()
      const inbox = {
        ...platform,
        metrics,
        stopping,
        underWay: new Set<string>(),
        held: new Map<string, number>(),
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
  inbox: Inbox,
  broker: Broker,
  consumers: readonly Consumer[],
): Promise<void> {
  using all = group(ctx)
  for (const consumer of consumers) {
    const onFailure = (err: unknown, failures: number): void => {
      const line = `consumers: events ${consumer.type} wait in the broker, trying again`
      if (loggedFailures(failures)) inbox.log.warn(ctx, line, { err, failures })
    }
    // Each runs on its own, so that a consumer that the broker refuses does not delay the others.
    all.go((ctx) =>
      keepTrying(ctx, inbox.stopping, onFailure, (ctx) => followOne(ctx, inbox, broker, consumer)),
    )
  }
  await all.wait()
}

/** Throws if two consumers have one type: each event would reach only one of them. */
function refuseTwice(consumers: readonly Consumer[]): void {
  const types = consumers.map(({ type }) => type)
  const twice = types.find((type, n) => types.indexOf(type) !== n)
  if (twice !== undefined)
    throw new Error(`src/consumers.ts has two consumers of ${twice}: merge them into one`)
}
