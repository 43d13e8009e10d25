import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import pg from 'pg'
import type { RunningTest } from './service.ts'

/** One connection through the proxy. */
export interface Link {
  /** By its first bytes: a cancel request is the whole of a connection; `tls` may become either. */
  kind: 'session' | 'cancel' | 'tls' | undefined
  /** Resets it on both sides. */
  cut(): void
}

/** Bytes on their way. They are passed on when this is done; where it answers `lose`, they are not. */
export type Passing = (link: Link, bytes: Buffer) => Promise<'lose' | undefined> | 'lose' | undefined

/** What lies between a service and its Postgres, and can do what networks do. */
export interface Proxy {
  /** The connection string that leads through it. */
  readonly url: string
  /** The connections that are open. */
  readonly links: ReadonlySet<Link>
  /** How many of each kind there have been. */
  readonly seen: Record<'session' | 'cancel' | 'tls', number>
  toServer: Passing
  toClient: Passing
  /** Cuts all connections and refuses new ones. */
  close(): Promise<void>
  /** Accepts connections again, on the same port. */
  open(): Promise<void>
}

const codes: Readonly<Record<number, Link['kind']>> = { 80877102: 'cancel', 80877103: 'tls' }

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
    async open() {
      server = createServer({ allowHalfOpen: true }, onConnection).listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
    },
    async close() {
      const closed = new Promise((resolve) => server?.close(resolve))
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
      cut() {
        client.resetAndDestroy()
        upstream.resetAndDestroy()
        links.delete(link)
      },
    }
    links.add(link)
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    pipe(
      client,
      upstream,
      (bytes) => {
        if (link.kind === undefined) {
          link.kind = codes[bytes.readInt32BE(4)] ?? 'session'
          seen[link.kind]++
        }
        return proxy.toServer(link, bytes)
      },
      link,
    )
    pipe(upstream, client, (bytes) => proxy.toClient(link, bytes), link)
  }
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
      // A request that Postgres never saw: it looks as if it had been answered.
      else to.end()
    }),
  )
  from.on('end', () => next(() => to.end()))
  from.on('error', () => link.cut())
  from.on('close', () => {
    if (to.destroyed) link.cut()
  })
}
