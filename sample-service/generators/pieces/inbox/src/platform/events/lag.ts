import { throwIfEnded, type Context } from '../../context/context.ts'
import { asking, isMissing, type Broker } from './broker.ts'
import { partitions } from './event.ts'
import type { Inbox } from './handle.ts'

/** How often the lag is read. */
const lagMs = 5_000

/** The name of the broker's consumer of one partition, which all instances of the service share. */
export function consumerName(service: string, type: string, partition: number): string {
  return `${service}-${type}-${partition}`
}

/** Reports how many events of the type the broker has for this service, until the worker is to stop. @throws Error if it lacks a consumer */
export async function readLag(
  ctx: Context,
  { metrics, database, stopping }: Inbox,
  { manager }: Broker,
  type: string,
): Promise<void> {
  await stopping.pause(ctx, lagMs)
  while (!stopping.now) {
    try {
      let events = 0
      for (let partition = 0; partition < partitions; partition++) {
        const name = consumerName(database.applicationName, type, partition)
        const info = await asking(ctx, () => manager.consumers.info(type, name))
        events += info.num_pending + info.num_ack_pending
      }
      metrics.lag(type, events)
    } catch (error) {
      throwIfEnded(ctx)
      // A late answer must not interrupt the events that are being handled.
      if (isMissing(error)) throw error
    }
    await stopping.pause(ctx, lagMs)
  }
}
