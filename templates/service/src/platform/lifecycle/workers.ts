import type { Context, Lifetime } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { Log } from '../telemetry/log.ts'

/** Work that no request waits for, under the server context as requests are: drained with them, and cancelled with them. */
export interface Worker {
  /** For the log: `jobs`. */
  readonly name: string
  /**
   * Begins to work, and returns once it does. `serving` is the server context: all that it does hangs from that.
   * @throws Error if it cannot, or ctx ends first
   */
  start(ctx: Context, serving: Lifetime): Promise<RunningWorker>
}

/** A worker that has been started. */
export interface RunningWorker {
  /** What is under way, one line each. */
  underWay(): readonly string[]
  /**
   * Takes up nothing new from now on, and returns when nothing is under way. It does not cancel: the end of the server
   * context does. What is not done then, it leaves for another instance.
   */
  stop(ctx: Context): Promise<void>
}

/** All workers of the process. */
export interface Workers {
  /** How much is under way. */
  active(): number
  /** Stops all of them. Called once. */
  stop(ctx: Context): Promise<void>
  /** What would not end, one line each. */
  unfinished(): readonly string[]
}

/** Starts all; if one fails, the others end with `serving`. @throws what the one throws */
export async function startWorkers(
  ctx: Context,
  serving: Lifetime,
  log: Log,
  workers: readonly Worker[],
): Promise<Workers> {
  const started: { name: string; running: RunningWorker; stopped: boolean }[] = []
  for (const worker of workers) {
    const running = await until(ctx, worker.start(ctx, serving))
    started.push({ name: worker.name, running, stopped: false })
  }
  return {
    active: () => started.reduce((sum, { running }) => sum + running.underWay().length, 0),
    async stop(ctx) {
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
    unfinished: () =>
      started.flatMap(({ name, running, stopped }) => {
        const lines = running.underWay()
        return lines.length > 0 || stopped ? lines : [`${name} (did not stop)`]
      }),
  }
}
