import { sql } from 'drizzle-orm'
import { z } from 'zod'
import {
  afterFunc,
  contextName,
  withTimeout,
  withValue,
  type Context,
} from '../sample-service/src/context/context.ts'
import { group } from '../sample-service/src/context/group.ts'
import { causeName } from '../sample-service/src/platform/causes.ts'
import type { Database } from '../sample-service/src/platform/database/database.ts'
import type { Platform } from '../sample-service/src/platform/platform.ts'
import { route, type Route } from '../sample-service/src/platform/http/route.ts'
import { span, spanOf } from '../sample-service/src/platform/telemetry/span.ts'
import { routes as own } from '../sample-service/src/routes.ts'

export { guards, headers, middlewares, open } from '../sample-service/src/routes.ts'
import { parts } from './parts.ts'

const Seconds = z.coerce.number().positive().max(60)
const responses = { 200: { description: 'Done' } }
const tags = ['demo']
const timeoutMs = 12_000
/** The deadline of the first worker. Each later worker has a second less. */
const workerMs = 11_000

/** The service's own routes, and two slow ones. */
export function routes(platform: Platform): Route[] {
  const { db } = platform
  return [
    ...own(platform),
    route({
      method: 'GET',
      path: '/demo/report',
      summary: 'Runs a statement for each of its first parts, side by side',
      tags,
      query: z.object({ parts: z.coerce.number().int().min(1).max(parts.length), seconds: Seconds }),
      timeoutMs,
      responses,
      handle: async (ctx, { query }) => {
        await telling(ctx, () => report(ctx, db, parts.slice(0, query.parts), query.seconds))
        return Response.json({})
      },
    }),
    route({
      method: 'GET',
      path: '/demo/quick',
      summary: 'Runs one statement',
      tags,
      query: z.object({ seconds: Seconds }),
      timeoutMs,
      responses,
      handle: async (ctx, { query }) => {
        await telling(ctx, () => sleepInPostgres(ctx, db, 'quick', query.seconds))
        return Response.json({})
      },
    }),
  ]
}

async function report(ctx: Context, db: Database, names: readonly string[], seconds: number): Promise<void> {
  await span(ctx, 'group', {}, async (ctx) => {
    using workers = group(withValue(ctx, contextName, 'group'))
    for (const [i, name] of names.entries()) {
      // The workers get the context of the group, so their spans record its end.
      workers.go((ctx) => telling(ctx, () => worker(ctx, db, name, workerMs - 1_000 * i, seconds)))
    }
    await workers.wait()
  })
}

async function worker(
  parent: Context,
  db: Database,
  name: string,
  ms: number,
  seconds: number,
): Promise<void> {
  await span(parent, name, {}, async (parent) => {
    using ctx = withTimeout(withValue(parent, contextName, name), ms)
    await telling(ctx, () => sleepInPostgres(ctx, db, name, seconds))
  })
}

async function sleepInPostgres(ctx: Context, db: Database, name: string, seconds: number): Promise<void> {
  // Without parameters, so that pg_stat_activity shows it. The names are constants, and zod has checked the number.
  await db.run(ctx, (q) => q.execute(sql.raw(`select pg_sleep(${seconds}) as ${name}`)))
}

/**
 * Records in the span of `ctx` when and why `ctx` ended, even if `work` still has to unwind: the span itself ends only when
 * the work has returned.
 */
async function telling(ctx: Context, work: () => Promise<void>): Promise<void> {
  const stop = afterFunc(ctx, () => {
    // By the wall clock, which this process shares with the demo.
    spanOf(ctx)?.addEvent('demo.context_ended', { cause: causeName(ctx), at: Date.now() })
  })
  try {
    await work()
  } finally {
    stop()
  }
}
