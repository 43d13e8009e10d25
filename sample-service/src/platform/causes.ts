import { cause, DeadlineExceeded, type Context } from '../context/context.ts'

/** The cause of a request's context when its client went away before the response was finished. */
export class ClientDisconnected extends Error {
  override readonly name = 'ClientDisconnected'

  constructor() {
    super('the client closed the connection before the response was finished')
  }
}

/** The cause of the server context once the time that requests had to finish by themselves is over. */
export class ServerShutdown extends Error {
  override readonly name = 'ServerShutdown'

  constructor() {
    super('the server is shutting down')
  }
}

/** What a stop failed with that could not wait any longer for work that would not end. */
export class WorkAbandoned extends Error {
  override readonly name = 'WorkAbandoned'
}

/** What ended `ctx`, as one word for logs, spans and metrics: `DeadlineExceeded`, `ClientDisconnected` …; undefined before. */
export function causeName(ctx: Context): string | undefined {
  const reason = cause(ctx)
  if (reason === undefined) return undefined
  // A cause without a name of its own says less than what it is the cause of.
  const deadline = reason === DeadlineExceeded || (ctx.err === DeadlineExceeded && reason.name === 'Error')
  return deadline ? 'DeadlineExceeded' : reason.name
}
