import { Agent } from 'node:http'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { get } from '../../bench/support/documents.ts'

/** One instance, as a load balancer knows it: an address, and what its /readyz said last. */
export interface Backend {
  readonly port: number
  ready: boolean
  /** Its connections, kept alive. A new set when it has come back: the old ones lead to a process that is gone. */
  agent: Agent | undefined
}

const everyMs = 100

/** Asks every instance again and again until `loading` ends. An instance that does not answer is not ready. */
export async function followReadiness(
  ctx: Context,
  loading: Context,
  backends: readonly Backend[],
): Promise<void> {
  while (loading.err === undefined) {
    await Promise.all(
      backends.map(async (backend) => {
        const { status } = await get(false, backend.port, '/readyz')
        backend.ready = status === 200
      }),
    )
    await sleep(ctx, everyMs)
  }
}

let turn = 0

/** The next one that is ready, in turn. A request that fails there is not sent to another: the client sees it fail. */
export function pick(backends: readonly Backend[]): { port: number; agent: Agent } | undefined {
  for (let tried = 0; tried < backends.length; tried++) {
    const backend = backends[turn++ % backends.length]
    if (backend?.ready !== true) continue
    backend.agent ??= new Agent({ keepAlive: true })
    return { port: backend.port, agent: backend.agent }
  }
  return undefined
}
