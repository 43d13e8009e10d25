import { z } from 'zod'
import { throwIfEnded, withoutCancel, type Context } from '../context/context.ts'
import { until } from '../context/until.ts'
import type { Database } from '../platform/database/database.ts'
import { route, type Route } from '../platform/http/route.ts'
import type { Readiness } from '../platform/http/stop.ts'

const Check = z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })
const Ready = z.object({ status: z.enum(['ready', 'not ready']), checks: z.array(Check) })
const Alive = z.object({ status: z.literal('alive') })

/** The probes of Kubernetes. Alive: the event loop runs. Ready: the service accepts requests and its database answers. */
export function healthRoutes(platform: { db: Database; readiness: Readiness }): Route[] {
  let checking: Promise<z.input<typeof Check>> | undefined
  /** Requests that come meanwhile share it: anybody may send a flood, and each check may open a connection to Postgres. */
  const database = (ctx: Context): Promise<z.input<typeof Check>> => {
    // It must not end with the first of those who share it; a ping takes less than a second.
    checking ??= checkDatabase(withoutCancel(ctx), platform.db).finally(() => (checking = undefined))
    return until(ctx, checking)
  }
  return [
    route({
      method: 'GET',
      path: '/livez',
      summary: 'Is the process alive? Stays 200 while the service shuts down.',
      tags: ['health'],
      quiet: true,
      responses: { 200: { description: 'Alive', body: Alive } },
      handle: () => Response.json({ status: 'alive' } satisfies z.input<typeof Alive>),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      summary: 'Does the service want requests? 503 from the first shutdown signal on.',
      tags: ['health'],
      quiet: true,
      responses: {
        200: { description: 'Ready', body: Ready },
        503: { description: 'Not ready: which check failed', body: Ready },
      },
      handle: async (ctx) => {
        // A stop does not wait for a database that is silent.
        const asked = platform.readiness.accepting ? [await database(ctx)] : []
        const { accepting } = platform.readiness
        const detail = 'the service is shutting down'
        const checks = [{ name: 'accepting', ok: accepting, ...(!accepting && { detail }) }, ...asked]
        const ready = checks.every((check) => check.ok)
        const body: z.input<typeof Ready> = { status: ready ? 'ready' : 'not ready', checks }
        return Response.json(body, { status: ready ? 200 : 503 })
      },
    }),
  ]
}

async function checkDatabase(ctx: Context, db: Database): Promise<z.input<typeof Check>> {
  try {
    const answer = await db.ping(ctx)
    if (answer === 'read-only') return { name: 'database', ok: false, detail: 'the database is read-only' }
    // A busy pool stays ready: another instance would use the same database.
    return { name: 'database', ok: true, ...(answer === 'busy' && { detail: 'all connections are in use' }) }
  } catch {
    throwIfEnded(ctx)
    // The probe is public, so only the log and the spans have the cause.
    return { name: 'database', ok: false, detail: 'the database does not answer' }
  }
}
