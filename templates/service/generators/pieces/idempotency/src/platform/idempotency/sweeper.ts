import { lte, sql } from 'drizzle-orm'
import { withCancel, type CancelContext, type Context, type Lifetime } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { until } from '../../context/until.ts'
import type { Worker } from '../lifecycle/workers.ts'
import type { Platform } from '../platform.ts'
import { span } from '../telemetry/span.ts'
import { idempotencyKeys } from './idempotency.schema.ts'
import { keptFor } from './idempotent.ts'

const everyMs = 3_600_000
/** The most rows that one statement deletes, so that it does not hold its locks for long. */
const batch = 1_000

/** Deletes answers that are a day old: at the start and then every hour. Any number of instances may do so. */
export function idempotencySweeper(platform: Platform): Worker {
  return {
    name: 'idempotency sweeper',
    async start(_ctx, serving) {
      const stop: CancelContext & Lifetime = withCancel(serving)
      const sweeping = sweepHourly(stop, platform)
      return {
        underWay: () => [],
        async stop(ctx) {
          stop.cancel()
          await until(ctx, sweeping)
        },
      }
    },
  }
}

/** Returns when ctx has ended. */
async function sweepHourly(ctx: Context, platform: Platform): Promise<void> {
  for (;;) {
    try {
      await span(ctx, 'sweep idempotency keys', {}, (ctx) => sweep(ctx, platform))
      await sleep(ctx, everyMs)
    } catch (err) {
      if (ctx.err !== undefined) return
      platform.log.warn(ctx, 'old idempotency keys were not deleted', { err })
      await sleep(ctx, everyMs).catch(() => undefined)
    }
  }
}

async function sweep(ctx: Context, { db, log }: Platform): Promise<void> {
  let deleted = 0
  let found
  do {
    found = await db.run(ctx, (q) => {
      const old = q
        .select({ at: sql`ctid` })
        .from(idempotencyKeys)
        .where(lte(idempotencyKeys.createdAt, sql`now() - ${keptFor}`))
        .limit(batch)
        // Skips the row of a request that uses its key again: it holds the row until its work is done.
        .for('update', { skipLocked: true })
      return q.delete(idempotencyKeys).where(sql`ctid = any(array(${old}))`)
    })
    deleted += found.rowCount ?? 0
  } while (found.rowCount === batch)
  if (deleted > 0) log.info(ctx, 'old idempotency keys deleted', { deleted })
}
