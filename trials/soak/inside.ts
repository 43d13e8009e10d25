// Loaded into the service before its own code: answers each message with counts of live objects, after a garbage collection.
import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'

/** Counts of live objects in a process. */
export interface Inside {
  /** Bytes. */
  readonly heap: number
  readonly timers: number
  /** Sockets, servers and everything else that keeps the event loop alive, except timers. */
  readonly handles: number
  /** Of the process and of every handle. */
  readonly listeners: number
}

async function look(): Promise<Inside> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await turn()
  }
  const resources = process.getActiveResourcesInfo()
  const timers = resources.filter((name) => name === 'Timeout').length
  // Not public, but the only way to get the handles.
  const node = process as unknown as { _getActiveHandles(): unknown[] }
  const emitters = [process, ...node._getActiveHandles()].filter((each) => each instanceof EventEmitter)
  const listeners = emitters.flatMap((each) => each.eventNames().map((name) => each.listenerCount(name)))
  return {
    heap: process.memoryUsage().heapUsed,
    timers,
    handles: resources.length - timers,
    listeners: listeners.reduce((sum, n) => sum + n, 0),
  }
}

process.on('message', () => void look().then((inside) => process.send?.(inside)))
// The channel must not keep the service from ending.
process.channel?.unref()
