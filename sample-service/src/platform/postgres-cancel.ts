import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { PoolClient } from 'pg'

/** What node-postgres keeps of a connection, which its types leave out. */
interface Backend {
  readonly processID: number
  readonly secretKey: number
  readonly host: string
  readonly port: number
  readonly ssl: boolean | object
  readonly connection: { readonly stream: Socket }
}

/** The request codes of https://www.postgresql.org/docs/current/protocol-message-formats.html */
const cancelRequestCode = 80877102
const sslRequestCode = 80877103

/**
 * Asks Postgres to cancel what the backend of `client` is running, on a connection of its own: through the pool it
 * would wait behind what it should cancel. Over TLS where the client's connection is, to the address it is connected to.
 *
 * Resolves when the server has closed that connection: a cancel is on its way until then, and would hit the next
 * statement of the same backend. That it was heard is not certain: a backend that was between two statements drops it.
 * @param timeoutMs gives up after so many milliseconds
 * @throws Error if the server cannot be reached or does not close in time
 */
export async function requestCancel(client: PoolClient, timeoutMs: number): Promise<void> {
  // node-postgres #2774: these fields are not public, and there is no other way to them.
  const backend = client as unknown as Backend
  const socket = dial(backend)
  const timer = setTimeout(
    () => socket.destroy(new Error(`the cancel request was not answered within ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    await event(socket, 'connect')
    const channel = backend.connection.stream instanceof TLSSocket ? await encrypt(socket, backend) : socket
    const gone = event(channel, 'close')
    channel.resume()
    channel.end(packet(cancelRequestCode, backend.processID, backend.secretKey))
    await gone
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

function dial(backend: Backend): Socket {
  // A host that starts with a slash is the directory of a Unix socket, as in libpq.
  if (backend.host.startsWith('/')) return connectTcp(`${backend.host}/.s.PGSQL.${backend.port}`)
  // The address, not the name: behind one name may be several servers.
  const { remoteAddress, remotePort } = backend.connection.stream
  return connectTcp({ host: remoteAddress ?? backend.host, port: remotePort ?? backend.port })
}

async function encrypt(socket: Socket, backend: Backend): Promise<Socket> {
  const answer = event(socket, 'data')
  socket.write(packet(sslRequestCode))
  const [byte] = await answer
  if (!Buffer.isBuffer(byte) || byte.toString() !== 'S') {
    throw new Error('the server refused TLS for a cancel request')
  }
  const options = typeof backend.ssl === 'object' ? backend.ssl : {}
  const secure = connectTls({ socket, ...serverName(backend.host), ...options })
  await event(secure, 'secureConnect')
  return secure
}

function serverName(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host }
}

/** A start-up packet: its length in bytes, then 32-bit words. */
function packet(...words: number[]): Buffer {
  const bytes = Buffer.alloc(4 + 4 * words.length)
  bytes.writeInt32BE(bytes.length, 0)
  for (const [i, word] of words.entries()) bytes.writeInt32BE(word, 4 + 4 * i)
  return bytes
}

/** Resolves with what the next `name` brings; rejects with an error of the socket, or if it closes before. */
function event(socket: Socket, name: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off(name, onEvent).off('error', onError).off('close', onClose)
      act()
    }
    const onEvent = (...args: unknown[]): void => settle(() => resolve(args))
    const onError = (error: Error): void => settle(() => reject(error))
    const onClose = (): void =>
      settle(() => reject(new Error(`the cancel connection closed before '${name}'`)))
    socket.once(name, onEvent).once('error', onError).once('close', onClose)
  })
}
