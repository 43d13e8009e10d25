import { cause, DeadlineExceeded, type Context } from '../context/context.ts'

/** The cause of a request's context when its client went away before the response was finished. */
export class ClientDisconnected extends Error {
  override readonly name = 'ClientDisconnected'

  constructor() {
    // Without a stack, which would name only Node's own code and cost half of the work that is left for the request.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super('the client closed the connection before the response was finished')
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The cause of the server context when a shutdown has given requests time to finish, and cancels the rest. */
export class ServerShutdown extends Error {
  override readonly name = 'ServerShutdown'

  constructor() {
    super('the server is shutting down')
  }
}

/** A stop gave up waiting for work that did not end. */
export class WorkAbandoned extends Error {
  override readonly name = 'WorkAbandoned'
}

/** The cause of `ctx` as one word for logs, spans and metrics, such as `DeadlineExceeded`; undefined before it ends. */
export function causeName(ctx: Context): string | undefined {
  const reason = cause(ctx)
  if (reason === undefined) return undefined
  // The name of a plain Error says nothing.
  const deadline = reason === DeadlineExceeded || (ctx.err === DeadlineExceeded && reason.name === 'Error')
  return deadline ? 'DeadlineExceeded' : reason.name
}
