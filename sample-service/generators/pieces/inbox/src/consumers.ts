import type { BrokerPlatform } from './platform/events/broker.ts'
import type { Consumer } from './platform/events/consumer.ts'
import { inboxWorker } from './platform/events/inbox.ts'
import type { Worker } from './platform/lifecycle/workers.ts'
import type { Platform } from './platform/platform.ts'

/** How many events one process handles at the same time. Each takes a connection of the pool. */
const concurrency = 4

/** All events that this service handles. */
export function consumers(_platform: Platform): Consumer[] {
  return []
}

/** Makes the worker that handles them in the background. */
export function consumersWorker(platform: BrokerPlatform): Worker {
  return inboxWorker(platform, consumers(platform), { concurrency })
}
