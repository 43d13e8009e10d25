import { randomUUID } from 'node:crypto'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'

/** The requests of the clients. */
export interface Load {
  /** The port of the publisher, which changes with each start. */
  port: number
  readonly keys: number
  answered: number
  rolledBack: number
  /** Requests that a kill cut off: their transactions may have committed. */
  cutOff: number
}

/** The share of transactions that are rolled back after they have published. */
const rolledBackShare = 0.2

/** Publishes one event after the other, about random keys, until `over` ends. */
export async function publishAlways(ctx: Context, over: Context, load: Load): Promise<void> {
  while (over.err === undefined) {
    const rollBack = Math.random() < rolledBackShare
    const key = `key-${Math.floor(Math.random() * load.keys)}`
    const query = new URLSearchParams({ key, text: randomUUID(), end: rollBack ? 'rollback' : 'commit' })
    try {
      const url = `http://127.0.0.1:${load.port}/probe/events?${query.toString()}`
      // undici keeps its listener on the signal for a while.
      using request = withCancel(ctx)
      const { status } = await fetch(url, { method: 'POST', signal: request.signal })
      if (status === 202) load.answered++
      else if (status === 500 && rollBack) load.rolledBack++
      else throw new Error(`the publisher answered ${status}`)
    } catch (error) {
      // fetch failed: the process has ended, or does not listen yet.
      if (!(error instanceof TypeError)) throw error
      load.cutOff++
      await sleep(ctx, 20)
    }
  }
}
