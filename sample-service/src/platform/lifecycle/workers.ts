import type { Context, Lifetime } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { Log } from '../telemetry/log.ts'

/** Background work that no request waits for. A stop drains and cancels it together with the requests. */
export interface Worker {
  /** For the log: `jobs`. */
  readonly name: string
  /**
   * Starts, and returns once it works. All its work hangs from `serving`, the server context.
   * @throws Error if it cannot, or ctx ends first
   */
  start(ctx: Context, serving: Lifetime): Promise<RunningWorker>
}

/** A worker that has been started. */
export interface RunningWorker {
  /** What is under way, one line each. */
  underWay(): readonly string[]
  /**
   * Starts no new work, and returns when none is under way. It does not cancel work; the end of the server context does.
   * Another instance takes over the work that is not done by then.
   */
  stop(ctx: Context): Promise<void>
}

/** All workers of the process. */
export type Workers = Awaited<ReturnType<typeof startWorkers>>

/** Starts all workers. @throws the error of the first that fails; the others end with `serving` */
export async function startWorkers(ctx: Context, serving: Lifetime, log: Log, workers: readonly Worker[]) {
  const started: { name: string; running: RunningWorker; stopped: boolean }[] = []
  for (const worker of workers) {
    const running = await until(ctx, worker.start(ctx, serving))
    started.push({ name: worker.name, running, stopped: false })
  }
  return {
    /** How much is under way. */
    active: () => started.reduce((sum, { running }) => sum + running.underWay().length, 0),
    /** Stops all of them. Called once. */
    async stop(ctx: Context): Promise<void> {
      await Promise.allSettled(
        started.map(async (worker) => {
          try {
            await worker.running.stop(ctx)
            worker.stopped = true
          } catch (err) {
            log.error(ctx, `${worker.name} did not stop`, { err })
          }
        }),
      )
    },
    /** What did not end, one line each. */
    unfinished: () =>
      started.flatMap(({ name, running, stopped }) => {
        const lines = running.underWay()
        return lines.length > 0 || stopped ? lines : [`${name} (did not stop)`]
      }),
  }
}
