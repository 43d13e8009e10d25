import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import pg from 'pg'
import type { RunningTest } from '../../support/service.ts'

/** One connection through the proxy. */
export interface Link {
  /** Its kind, by its first bytes: a cancel request is a whole connection; `tls` may become either. */
  kind: 'session' | 'cancel' | 'tls' | undefined
  /** Whether the client has closed its half while the server's was open. */
  halfClosed: boolean
  /** Resets it on both sides. */
  cut(): void
  /** Resets it on the client's side. Bytes already sent to the server still arrive. */
  cutClient(): void
}

/** Gets bytes before the proxy passes them on, which it does when this has resolved, unless with `lose`. */
export type Passing = (link: Link, bytes: Buffer) => Promise<'lose' | undefined> | 'lose' | undefined

/** A proxy between a service and its Postgres, with the faults of a network. */
export interface Proxy {
  /** The connection string that leads through it. */
  readonly url: string
  /** The connections that are open. */
  readonly links: ReadonlySet<Link>
  /** How many connections of each kind there have been. */
  readonly seen: Record<'session' | 'cancel' | 'tls', number>
  toServer: Passing
  toClient: Passing
  /** Gives each session a number that is not its backend's, as poolers do, and maps it back in a cancel. */
  pooler: boolean
  /** Stops accepting connections, without closing open ones. Resolves when it has stopped. */
  refuse(): Promise<void>
  /** Cuts all connections and refuses new ones. */
  close(): Promise<void>
  /** Accepts connections again, on the same port. */
  open(): Promise<void>
}

const codes: Readonly<Record<number, Link['kind']>> = { 80877102: 'cancel', 80877103: 'tls' }
/** The first byte of a connection that speaks TLS from the start. */
const clientHello = 22

/** Stands in front of the server of `databaseUrl` until the test has ended. */
export async function startProxy(t: RunningTest, databaseUrl: string): Promise<Proxy> {
  const target = new pg.Client(databaseUrl)
  const { host, user = '', password = '', database = '' } = target
  const links = new Set<Link>()
  const seen = { session: 0, cancel: 0, tls: 0 }
  const pass: Passing = () => undefined
  let server: Server | undefined
  let port = 0

  const proxy: Proxy = {
    url: '',
    links,
    seen,
    toServer: pass,
    toClient: pass,
    pooler: false,
    async refuse() {
      const refusing = server
      server = undefined
      // The callback of close() waits for all connections, but the port is free at once.
      refusing?.close()
      await setImmediate()
    },
    async open() {
      server = createServer({ allowHalfOpen: true }, onConnection).listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
    },
    async close() {
      const closed = new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)))
      for (const link of links) link.cut()
      await closed
    },
  }
  await proxy.open()
  t.onTestFinished(() => proxy.close())
  const credentials = [user, password].map(encodeURIComponent).join(':')
  return Object.assign(proxy, { url: `postgres://${credentials}@127.0.0.1:${port}/${database}` })

  function onConnection(client: Socket): void {
    const at = host.startsWith('/')
      ? { path: `${host}/.s.PGSQL.${target.port}` }
      : { host, port: target.port }
    const upstream = connect({ ...at, allowHalfOpen: true })
    const link: Link = {
      kind: undefined,
      halfClosed: false,
      cutClient() {
        client.resetAndDestroy()
      },
      cut() {
        client.resetAndDestroy()
        upstream.resetAndDestroy()
        links.delete(link)
      },
    }
    links.add(link)
    client.on('end', () => (link.halfClosed = !upstream.readableEnded))
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    pipe(
      client,
      upstream,
      (bytes) => {
        if (link.kind === undefined) {
          link.kind = bytes[0] === clientHello ? 'tls' : (codes[bytes.readInt32BE(4)] ?? 'session')
          seen[link.kind]++
        }
        if (proxy.pooler && link.kind === 'cancel') disguise(bytes, 8)
        return proxy.toServer(link, bytes)
      },
      link,
    )
    pipe(
      upstream,
      client,
      (bytes) => {
        const keyAt = proxy.pooler ? bytes.indexOf(backendKeyData) : -1
        if (keyAt >= 0) disguise(bytes, keyAt + backendKeyData.length)
        return proxy.toClient(link, bytes)
      },
      link,
    )
  }
}

/** The first bytes of BackendKeyData (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const backendKeyData = Buffer.from([0x4b, 0, 0, 0, 12])

/** Turns a backend's number into another, and back again. */
function disguise(bytes: Buffer, at: number): void {
  bytes.writeInt32BE(bytes.readInt32BE(at) ^ 0x4000_0000, at)
}

/** One direction of a link: in order, and its end after all that came before. */
function pipe(from: Socket, to: Socket, passing: (bytes: Buffer) => ReturnType<Passing>, link: Link): void {
  let last: Promise<unknown> = Promise.resolve()
  const next = (step: () => unknown): void => {
    last = last.then(step).catch(() => link.cut())
  }
  from.on('data', (bytes: Buffer) =>
    next(async () => {
      if ((await passing(bytes)) !== 'lose') to.write(bytes)
      // Postgres never saw this request, but to the client it looks answered.
      else to.end()
    }),
  )
  from.on('end', () => next(() => to.end()))
  from.on('error', () => link.cut())
  from.on('close', () => {
    if (to.destroyed) link.cut()
  })
}
