import { builtInFolder } from '../postgres/built-in.ts'
import { startPostgres, type Postgres } from '../postgres/postgres.ts'
import { readDevFile } from './dev-file.ts'
import { say } from './screen.ts'

/** PostgreSQL has never started. This error ends dev, because no change of a file would help. */
export class NoDatabase extends Error {}

/** The PostgreSQL that dev runs while it needs one. `stop` is aborted when dev ends. */
export function builtInPostgres(stop: AbortSignal) {
  let postgres: Postgres | undefined
  let startedOnce = false

  /** Starts it unless it runs. @returns its URL @throws NoDatabase if its first start fails, another Error if a later one does */
  async function start(): Promise<string> {
    if (postgres !== undefined) return postgres.url
    const starting = startPostgres({ dir: builtInFolder, persistent: true }).catch(nameOther)
    const started = await starting.catch((cause: unknown) => {
      throw startedOnce ? cause : new NoDatabase(reasonOf(cause), { cause })
    })
    postgres = started
    startedOnce = true
    const ended = (): void => {
      postgres = undefined
      if (!stop.aborted) say('PostgreSQL ended: the next restart starts it again')
    }
    started.exited.then(ended, ended)
    if (started.lostPort !== undefined) {
      say(
        `PostgreSQL has a new port, since another program uses ${started.lostPort}: npm run db:url prints it`,
      )
    }
    return started.url
  }

  return { start, stop: async () => postgres?.stop() }
}

/** Throws `error`, or one that names the other `npm run dev` of this folder if that is why PostgreSQL already runs. */
function nameOther(error: unknown): never {
  const other = readDevFile()
  const runs = error instanceof Error && error.message.startsWith('PostgreSQL already runs')
  if (!runs || other === undefined) throw error
  throw new Error(`npm run dev of this folder already runs (pid ${other.pid}): stop it first`)
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
