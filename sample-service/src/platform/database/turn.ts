import type { LimitFunction } from 'p-limit'
import type { Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'

/**
 * Runs `work` when `limit` lets it. If ctx ends before that, it does not run, and nobody waits for its turn.
 * @returns what `work` returns, undefined if it did not run
 */
export async function takeTurn<T>(
  ctx: Context,
  limit: LimitFunction,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const state = { begun: false }
  const turn = limit(async () => {
    if (ctx.err !== undefined) return undefined
    state.begun = true
    return work()
  })
  // Nobody waits for a turn that is no longer needed. Work that has begun ends by itself.
  await until(ctx, turn).catch((error: unknown) => {
    if (ctx.err === undefined) throw error
  })
  return state.begun ? turn : undefined
}
