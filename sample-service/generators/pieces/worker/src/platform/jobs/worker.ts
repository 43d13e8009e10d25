import {
  withCancel,
  withTimeout,
  type CancelContext,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { ended } from '../../context/ended.ts'
import { retry } from '../../context/retry.ts'
import { describeRun, type Run } from './run.ts'
import type { Job } from './jobs.ts'
import type { Platform } from '../platform.ts'
import { openEngine, type Engine } from './engine.ts'
import type { Worker } from '../lifecycle/workers.ts'

/** How long what broke may take to close, before another is opened in its place. */
const closeMs = 5_000

/**
 * Runs jobs out of Postgres, `concurrency` at a time. Any number of instances may: a job is run by one of them, and by
 * another only after that one has failed, died or given it back. So it may be run more than once: a handler must be able
 * to find its own work done, or half done.
 *
 * The context of a job descends from the server context. At a shutdown jobs are drained as requests are; those that are
 * cancelled with the server context are given back, to be run again from the start.
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
      const open = (ctx: Context): Promise<Engine> =>
        openEngine(ctx, serving, platform, { jobs, concurrency, underWay })
      const first = await open(ctx)
      const stop: CancelContext & Lifetime = withCancel(serving)
      const working = work(first)

      /** Opens anew what broke, until no more jobs are to be taken. @returns what is open then */
      async function work(opened: Engine): Promise<Engine | undefined> {
        let engine: Engine | undefined = opened
        while (engine !== undefined) {
          using stopping = ended(stop)
          await Promise.race([stopping, engine.broken])
          if (stop.err !== undefined) break
          platform.log.error(stop, 'jobs: starting anew', { err: await engine.broken })
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

/** What it leaves open is closed with the process. */
async function closeBroken(parent: Context, engine: Engine): Promise<void> {
  using ctx = withTimeout(parent, closeMs)
  // eslint-disable-next-line context/no-swallowed-end -- it is broken, and its caller asks its own context next
  await engine.close(ctx).catch(() => undefined)
}
