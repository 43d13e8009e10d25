import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

/** The ports of kept servers: below those that systems give to outgoing connections (Linux from 32768, others from 49152). */
const keptPorts = { from: 20_000, to: 30_000 }

/** The URL of the server whose data are in `dir`, as of its last start. Undefined before the first. */
export async function keptUrl(dir: string): Promise<string | undefined> {
  const port = await keptPort(dir)
  return port === undefined ? undefined : urlOf(dir, port)
}

/** The port of the last start of the server in `home`. */
export async function keptPort(home: string): Promise<number | undefined> {
  const text = await readFile(join(home, 'port'), 'utf8').catch(() => '')
  return /^\d+$/.test(text) ? Number(text) : undefined
}

/** Keeps `port` for the next start of the server in `home`. */
export async function keepPort(home: string, port: number): Promise<void> {
  await writeFile(join(home, 'port'), String(port))
}

/** The superuser's URL of the server in `home`. */
export async function urlOf(home: string, port: number): Promise<string> {
  const password = await readFile(join(home, 'password'), 'utf8')
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
}

/** A port that is free now; if `keep`, one that is likely to be free at the next start, too. */
export async function freePort(keep: boolean): Promise<number> {
  const server = createServer()
  const listen = async (port: number): Promise<unknown> => {
    server.listen(port, '127.0.0.1')
    return once(server, 'listening')
  }
  if (keep) await listen(randomInt(keptPorts.from, keptPorts.to)).catch(() => listen(0))
  else await listen(0)
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
