import { Agent } from 'node:http'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { get } from '../../bench/support/documents.ts'

/** An instance for the load balancer: its address, and the last answer of its /readyz. */
export interface Backend {
  readonly port: number
  ready: boolean
  /** Its kept-alive connections. They are replaced after a restart, because the old ones belong to an ended process. */
  agent: Agent | undefined
}

const everyMs = 100

/** Polls every instance until `loading` ends. An instance that does not answer is not ready. */
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

/** The next ready instance, in turn. A failed request is not sent to another instance: its client sees the failure. */
export function pick(backends: readonly Backend[]): { port: number; agent: Agent } | undefined {
  for (let tried = 0; tried < backends.length; tried++) {
    const backend = backends[turn++ % backends.length]
    if (backend?.ready !== true) continue
    backend.agent ??= new Agent({ keepAlive: true })
    return { port: backend.port, agent: backend.agent }
  }
  return undefined
}
