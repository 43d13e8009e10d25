import pg from 'pg'
import {
  contextName,
  withCancel,
  withTimeout,
  withValue,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { retry } from '../../context/retry.ts'
import { isPermanent, reasonOf } from '../database/answer.ts'
import { describeRun, type Run } from './run.ts'
import type { Job } from './jobs.ts'
import type { Platform } from '../platform.ts'
import { openEngine, type Engine, type EngineOptions } from './engine.ts'
import type { Worker } from '../lifecycle/workers.ts'

/** How long a broken engine may take to close before a new one is opened. */
const closeMs = 5_000

/**
 * Runs jobs from Postgres, `concurrency` at a time. Any number of instances may do so: one of them runs a job, and another runs
 * it again only after the first has failed, died or given the job back. A job may therefore run more than once, and its handler
 * must work if an earlier run has done all or a part of the work.
 *
 * The context of a job descends from the server context. A shutdown drains jobs as it drains requests. A job that is cancelled
 * with the server context is given back, and runs again from the start.
 */
export function jobWorker(
  platform: Platform,
  jobs: readonly Job[],
  { concurrency }: { concurrency: number },
): Worker {
  return {
    name: 'jobs',
    async start(ctx, serving) {
      const underWay = new Set<Run>()
      const cancelled: EngineOptions['cancelled'] = []
      const open = (ctx: Context): Promise<Engine> =>
        openEngine(ctx, serving, platform, { jobs, concurrency, underWay, cancelled })
      const first = await retry(
        ctx,
        {
          retryable: (failure) => failure instanceof pg.DatabaseError && !isPermanent(failure),
          onRetry: (failure) =>
            platform.log.warn(ctx, 'jobs: waiting for the database', { reason: reasonOf(failure) }),
        },
        open,
      )
      const stop: CancelContext & Lifetime = withCancel(withValue(serving, contextName, 'jobs until stopped'))
      const working = work(first)

      /** Opens a new engine whenever one breaks, until the worker stops. @returns the engine that is open then */
      async function work(opened: Engine): Promise<Engine | undefined> {
        let engine: Engine | undefined = opened
        while (engine !== undefined) {
          using stopping = ended(stop)
          await Promise.race([stopping, engine.broken])
          if (stop.err !== undefined) break
          platform.log.error(stop, 'jobs: starting again', { err: await engine.broken })
          await closeBroken(stop, engine)
          engine = await retry(stop, {}, open).catch(() => undefined)
        }
        return engine
      }
      return {
        underWay: () => Array.from(underWay, describeRun),
        async stop(ctx) {
          stop.cancel()
          const engine = await working
          await engine?.close(ctx)
        },
      }
    },
  }
}

/** Closes the engine if it can. The end of the process closes the rest. */
async function closeBroken(parent: Context, engine: Engine): Promise<void> {
  using ctx = withTimeout(parent, closeMs)
  // eslint-disable-next-line context/no-swallowed-end -- the engine is broken, and the caller checks its own context next
  await engine.close(ctx).catch(() => undefined)
}
