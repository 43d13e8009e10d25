import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import pLimit from 'p-limit'
import type { PoolClient } from 'pg'
import type { Context } from '../context/context.ts'

/** A storm of cancels (every request at shutdown) opens no more connections than this, those kept ready among them. */
const limit = 4
/** How long one is kept ready. Postgres closes it after authentication_timeout, which is 60 s unless somebody set it. */
const readyMs = 10_000

/** The cancels of one pool. Each goes out on a connection of its own: through the pool it would wait behind what it should cancel. */
export interface Cancels {
  /**
   * Asks Postgres to cancel what the backend of `client` is running; does nothing if ctx has ended by the time it is its
   * turn. Over TLS where the client's connection is, to the address it is connected to.
   *
   * Resolves when the server has closed the connection: a cancel is on its way until then, and would hit the next
   * statement of the same backend. That it was heard is not certain: a backend that was between two statements drops it.
   * @param timeoutMs gives up after so many milliseconds
   * @throws Error if the server cannot be reached or does not close in time
   */
  request(ctx: Context, client: PoolClient, timeoutMs: number): Promise<void>
  /** Closes those kept ready. */
  close(): void
}

/** What node-postgres keeps of a connection, which its types leave out. */
interface Backend {
  readonly processID: number
  readonly secretKey: number
  readonly host: string
  readonly port: number
  readonly ssl: boolean | object
  readonly connection: { readonly stream: Socket }
}

/** A connection to a server, on which nothing was said yet that names a backend. */
interface Side {
  readonly server: string
  readonly socket: Socket
  /** What to speak through: the socket, or TLS over it. */
  readonly channel: Promise<Socket>
}

/** The request codes of https://www.postgresql.org/docs/current/protocol-message-formats.html */
const cancelRequestCode = 80877102
const sslRequestCode = 80877103

/**
 * Postgres forks a process for every connection, and that is most of what a cancel takes (6 of 7 ms, measured): so each
 * cancel opens the connection for the next one, which finds the process waiting. A service that cancels nothing has none.
 */
export function openCancels(): Cancels {
  const inTurn = pLimit(limit)
  const ready: Side[] = []
  let closed = false

  return {
    request(ctx, client, timeoutMs) {
      return inTurn(async () => {
        const wanted = (): boolean => ctx.err === undefined
        if (!wanted()) return
        // node-postgres #2774: these fields are not public, and there is no other way to them.
        const backend = client as unknown as Backend
        const sent = await sentOnReady(backend, timeoutMs)
        if (!sent && wanted()) {
          makeRoom()
          await send(dial(backend), backend, timeoutMs)
        }
        prepare(backend)
      })
    },
    close() {
      closed = true
      for (const { socket } of ready.splice(0)) socket.destroy()
    },
  }

  /** Whether there was one ready that took it. One may have been closed a moment ago: a new one tells what is the matter. */
  async function sentOnReady(backend: Backend, timeoutMs: number): Promise<boolean> {
    const at = ready.findIndex(({ server }) => server === serverOf(backend))
    const [side] = at < 0 ? [] : ready.splice(at, 1)
    if (side === undefined) return false
    try {
      await send(side, backend, timeoutMs)
      return true
    } catch {
      return false
    }
  }

  function makeRoom(): void {
    if (ready.length + inTurn.activeCount > limit) ready.shift()?.socket.destroy()
  }

  function prepare(backend: Backend): void {
    // The request that asks for it is still counted as active, and is about to make room.
    if (closed || ready.length + inTurn.activeCount > limit) return
    const side = dial(backend)
    ready.push(side)
    // It keeps no process alive.
    side.socket.unref().setTimeout(readyMs, () => side.socket.destroy())
    // Nobody's work yet: who takes it sees that it failed.
    side.channel.catch(() => undefined)
    side.socket.once('close', () => {
      const at = ready.indexOf(side)
      if (at >= 0) ready.splice(at, 1)
    })
  }
}

/** Sends the request. Resolves when the server has closed the connection. */
async function send({ socket, channel }: Side, backend: Backend, timeoutMs: number): Promise<void> {
  const timer = setTimeout(
    () => socket.destroy(new Error(`the cancel request was not answered within ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    socket.ref().setTimeout(0)
    const opened = await channel
    if (opened.destroyed) throw new Error('the cancel connection closed before it was used')
    const gone = event(opened, 'close')
    opened.end(packet(cancelRequestCode, backend.processID, backend.secretKey))
    await gone
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

function dial(backend: Backend): Side {
  const socket = connect(backend)
  return { server: serverOf(backend), socket, channel: open(socket, backend) }
}

async function open(socket: Socket, backend: Backend): Promise<Socket> {
  await event(socket, 'connect')
  const channel = backend.connection.stream instanceof TLSSocket ? await encrypt(socket, backend) : socket
  // Read, or its end would not be seen; and an error event that nobody listens to would end the process.
  return channel.on('error', () => undefined).resume()
}

function serverOf({ host, port, connection: { stream } }: Backend): string {
  return `${stream.remoteAddress ?? host} ${stream.remotePort ?? port}`
}

function connect(backend: Backend): Socket {
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
