import { Socket } from 'node:net'
import type { Client } from 'pg'
import { afterFunc, cause, DeadlineExceeded, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'

/** What node-postgres has of a client, and its types leave out. */
interface Internals {
  readonly processID: number
  readonly secretKey: number
  readonly connection: {
    startup(config: unknown): void
    cancel(processID: number, secretKey: number): void
  }
}

/** Closes the connection of `client` without a farewell: for one that does not answer. */
export function closeAbruptly(client: Client): void {
  client.connection.stream.destroy()
}

/** Makes `side` connect to the address that `client` is connected to: behind one name there may be several servers. */
export function aimAt(client: Client, side: Client): void {
  const { stream: reached } = client.connection
  const { stream } = side.connection
  if (!(reached instanceof Socket && stream instanceof Socket)) return
  const { remoteAddress, remotePort } = reached
  // A Unix socket has no address, and its path leads to one server.
  if (remoteAddress === undefined || remotePort === undefined) return
  // node-postgres gives the name, which TLS checks the certificate against; only the dialling is changed.
  stream.connect = () => {
    Reflect.deleteProperty(stream, 'connect')
    return stream.connect(remotePort, remoteAddress)
  }
}

/**
 * Sends a CancelRequest for what the backend of `client` runs, as libpq does: writes it, and waits for the server to
 * close the connection. Until then the cancel is on its way, and would hit the backend's next statement. Never closes
 * its own half first: PgBouncer before 1.19 takes that for a client that has left, a proxy passes it on too early.
 *
 * `side` has not connected yet. It is dialled by node-postgres itself, with all that the pool's connections are dialled
 * with; only what it would say first, the start-up packet, is replaced by the request.
 * @returns undefined when the server has had it, else why it was not sent: also that ctx ended before
 * @throws Error if it was sent, and the server did not close the connection in good order: it may be on its way still
 */
export async function sendCancelRequest(
  ctx: Context,
  client: Client,
  side: Client,
): Promise<Error | undefined> {
  const { processID, secretKey } = client as unknown as Internals
  const { connection } = side as unknown as Internals
  const request = { written: false }
  connection.startup = () => {
    request.written = true
    connection.cancel(processID, secretKey)
  }
  const closed = new Promise<void>((resolve, reject) => {
    side.connection.once('end', resolve).once('error', reject).once('errorMessage', reject)
  })
  const stop = afterFunc(ctx, () => {
    // One that was sent is waited for, as long as the one who waits has time.
    if (!request.written || ctx.err === DeadlineExceeded) side.connection.stream.destroy(cause(ctx))
  })
  side.connect(() => undefined)
  try {
    await closed
    return request.written
      ? undefined
      : new Error('the server closed the connection before the cancel was sent')
  } catch (error) {
    const reason = errorOf(error).message
    if (!request.written) return new Error(`the cancel could not be sent: ${reason}`, { cause: error })
    throw new Error(`the cancel was sent, and not answered: ${reason}`, { cause: error })
  } finally {
    stop()
    closeAbruptly(side)
  }
}
