import { randomBytes } from 'node:crypto'
import type { Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { hashOf, get, idsOf, upload } from '../../bench/support/documents.ts'
import { pick, type Backend } from './balancer.ts'

/** The results of the clients. */
export interface Load {
  reads: number
  writes: number
  /** The number of answers by status, or by the code of the error. */
  readonly failed: Map<string, number>
  /** The SHA-256 of each acknowledged document, by id. */
  readonly acknowledged: Map<string, string>
  /** The time of every answer, in ms. */
  readonly latencies: number[]
  /** The longest time in which no client got an answer. */
  longestPauseMs: number
}

/**
 * One request in four writes, and one write in four takes longer than the delay of a stop, so that the drain must wait for it.
 */
const writes = 0.25
const slowWrites = 0.25
const slowMs = 1_200
const bytes = 4_096

/** Sends requests from `clients` clients, each one after the other, until `loading` ends, and waits for their last answers. */
export async function runClients(
  ctx: Context,
  loading: Context,
  backends: readonly Backend[],
  clients: number,
): Promise<Load> {
  const load: Load = {
    ...{ reads: 0, writes: 0, longestPauseMs: 0 },
    ...{ failed: new Map(), acknowledged: new Map(), latencies: [] },
  }
  let lastAnswerAt = performance.now()

  async function once(ctx: Context): Promise<void> {
    const askedAt = performance.now()
    const to = pick(backends)
    const isWrite = Math.random() < writes
    if (isWrite) load.writes++
    else load.reads++
    const content = randomBytes(bytes)
    const pauseMs = Math.random() < slowWrites ? slowMs : 0
    const answer =
      to === undefined
        ? { status: 'no instance was ready', body: '' }
        : isWrite
          ? await upload(ctx, to.agent, to.port, content, pauseMs)
          : await get(to.agent, to.port, '/documents?limit=5')
    const now = performance.now()
    if (answer.status === (isWrite ? 201 : 200)) {
      if (isWrite) for (const id of idsOf(answer)) load.acknowledged.set(id, hashOf(content))
      load.latencies.push(now - askedAt)
      load.longestPauseMs = Math.max(load.longestPauseMs, now - lastAnswerAt)
      lastAnswerAt = now
    } else {
      const what = `${isWrite ? 'write' : 'read'}: ${answer.status}`
      load.failed.set(what, (load.failed.get(what) ?? 0) + 1)
      // Otherwise a client would retry a missing service without a pause.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  using all = group(ctx)
  for (let n = 0; n < clients; n++) {
    all.go(async (ctx) => {
      while (loading.err === undefined) await once(ctx)
    })
  }
  await all.wait()
  for (const { agent } of backends) agent?.destroy()
  return load
}
