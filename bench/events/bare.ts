import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, nanos } from '@nats-io/transport-node'
import pLimit from 'p-limit'

/** The figures of plain code on nats.js with the same events, without Postgres. */
export interface Bare {
  readonly publishedPerSecond: number
  /** One consumer for each of eight partitions, one event out at a time, as the service has it. */
  readonly orderedPerSecond: number
  /** From publish to acknowledge, one after the other. */
  readonly latenciesMs: readonly number[]
}

const inFlight = 64

/** Publishes and consumes `count` events. */
export async function measureBare(url: string, count: number, payload: string): Promise<Bare> {
  const connection = await connect({ servers: new URL(url).host })
  try {
    const [js, manager] = [jetstream(connection), await jetstreamManager(connection)]
    await manager.streams.add({ name: 'bare', subjects: ['bare.*'], duplicate_window: nanos(120_000) })
    const publish = (n: number): Promise<unknown> => {
      const all = headers()
      all.set('ce-id', String(n))
      all.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
      return js.publish(`bare.${n % 8}`, payload, { msgID: String(n), headers: all })
    }
    const limit = pLimit(inFlight)
    const publishing = performance.now()
    await Promise.all(Array.from({ length: count }, (_, n) => limit(() => publish(n))))
    const publishMs = performance.now() - publishing

    const consume = async (partition: number): Promise<void> => {
      const name = `ordered-${partition}`
      await manager.consumers.add('bare', {
        ...{ durable_name: name, filter_subject: `bare.${partition}` },
        ...{ ack_policy: AckPolicy.Explicit, max_ack_pending: 1 },
      })
      const messages = await (await js.consumers.get('bare', name)).consume({ max_messages: 1 })
      let left = Math.floor(count / 8)
      for await (const message of messages) {
        message.ack()
        if (--left === 0) break
      }
    }
    const ordered = performance.now()
    await Promise.all(Array.from({ length: 8 }, (_, n) => consume(n)))
    const orderedMs = performance.now() - ordered

    await manager.consumers.add('bare', {
      ...{ durable_name: 'latency', filter_subject: 'bare.0', ack_policy: AckPolicy.Explicit },
    })
    await manager.streams.purge('bare')
    const messages = await (await js.consumers.get('bare', 'latency')).consume({ max_messages: 10 })
    const iterator = messages[Symbol.asyncIterator]()
    const latenciesMs: number[] = []
    for (let n = 0; n < 500; n++) {
      const startedAt = performance.now()
      await publish((count + n) * 8)
      const { value } = (await iterator.next()) as { value: { ack(): void } }
      value.ack()
      latenciesMs.push(performance.now() - startedAt)
    }
    // Its timer outlives the connection.
    messages.stop()
    const perSecond = (ms: number): number => Math.round((count / ms) * 1_000)
    return {
      publishedPerSecond: perSecond(publishMs),
      orderedPerSecond: perSecond(orderedMs),
      latenciesMs,
    }
  } finally {
    await connection.close()
  }
}
