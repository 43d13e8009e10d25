import { fileURLToPath } from 'node:url'
import type { Context } from '../../../templates/service/src/context/context.ts'
import { retry } from '../../../templates/service/src/context/retry.ts'
import { freePort } from '../../support/instance.ts'
import { numberAt, serverProcess, whenUp, type Server, type Start } from '../server.ts'

const service = fileURLToPath(new URL('../../../templates/service', import.meta.url))

/** The emitted service itself, with the route of its own tests that waits in Postgres. */
export const mainstem: Start = mainstemWith({})

/** The same with more variables in its environment. */
export function mainstemWith(more: Readonly<Record<string, string>>): Start {
  return (ctx, url, task) => startMainstem(ctx, url, task, more)
}

async function startMainstem(
  ctx: Context,
  url: string,
  { poolMax, querySeconds }: Parameters<Start>[2],
  more: Readonly<Record<string, string>>,
): Promise<Server> {
  const port = await freePort()
  const adminPort = await freePort()
  const args = ['--import', 'tsx', '--import', './test/support/probe.hooks.mjs', 'src/main.ts']
  const server = serverProcess(process.execPath, args, {
    cwd: service,
    env: {
      DATABASE_URL: url,
      DATABASE_POOL_MAX: String(poolMax),
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      LOG_LEVEL: 'silent',
      ...more,
    },
  })
  const base = `http://127.0.0.1:${port}`
  await whenUp(ctx, server, (ctx) => untilReady(ctx, `${base}/readyz`))
  const pending = /^db_client_connection_pending_requests\S* ([\d.]+)/m
  return {
    ...server,
    url: `${base}/probe/query?seconds=${querySeconds}`,
    queue: () => numberAt(`http://127.0.0.1:${adminPort}/metrics`, pending),
  }
}

/** A silent service does not say that it listens. */
async function untilReady(ctx: Context, url: string): Promise<void> {
  await retry(ctx, { maxPauseMs: 200 }, async () => {
    const { status } = await fetch(url, { headers: { connection: 'close' } })
    if (status !== 200) throw new Error(`${url} answered ${status}`)
  })
}
