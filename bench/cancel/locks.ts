import pg from 'pg'
import { cause, withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'

/** Watches on one connection which sessions hold advisory locks and which wait for one. */
export interface Locks extends AsyncDisposable {
  /** Resolves when a session holds the lock `key`, or waits for it. */
  seen(key: number, state: 'held' | 'awaited'): Promise<void>
}

const pauseMs = 20

/** Begins to watch. It watches only before a measurement, never during one. */
export async function watchLocks(ctx: Context, url: string): Promise<Locks> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const watch = withCancel(ctx)
  const waiting = new Map<string, () => void>()
  const watching = (async () => {
    for (;;) {
      await sleep(watch, pauseMs)
      if (waiting.size === 0) continue
      const { rows } = await client.query<{ key: string; granted: boolean }>(
        `select objid::text as key, granted from pg_locks where locktype = 'advisory'`,
      )
      for (const { key, granted } of rows) {
        const name = `${key} ${granted ? 'held' : 'awaited'}`
        waiting.get(name)?.()
        waiting.delete(name)
      }
    }
  })()
  watching.catch(() => undefined)
  return {
    seen: (key, state) => {
      const ended = cause(ctx)
      if (ended !== undefined) return Promise.reject(ended)
      return new Promise((resolve, reject) => {
        waiting.set(`${key} ${state}`, resolve)
        watching.catch(reject)
      })
    },
    async [Symbol.asyncDispose]() {
      watch.cancel()
      await watching.catch(() => undefined)
      await client.end()
    },
  }
}
