import { Socket } from 'node:net'
import type { Client } from 'pg'
import { afterFunc, cause, DeadlineExceeded, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import type { Internals } from './client.ts'

/** Closes the connection of `client` without a goodbye: for a server that does not answer. */
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
  // Only the address is changed: TLS still checks the certificate against the name.
  stream.connect = () => {
    Reflect.deleteProperty(stream, 'connect')
    return stream.connect(remotePort, remoteAddress)
  }
}

/**
 * Sends a CancelRequest for the statement of `client`, as libpq does: writes it, and waits for the server to close the
 * connection. Until then the cancel is on its way, and would hit the backend's next statement. Never closes its own half
 * first: PgBouncer before 1.19 would take it for a client that has left, and a proxy would pass it on too early.
 *
 * `side` has not connected yet. node-postgres connects it with the options of the pool's connections; only the start-up packet
 * is replaced by the request.
 * @returns undefined when the server has received it, else why it was not sent, such as that ctx ended before
 * @throws Error if it was sent, and the server did not close the connection properly: it may still be on its way
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
    // A request that was sent is waited for until the deadline, even if the statement has ended.
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
