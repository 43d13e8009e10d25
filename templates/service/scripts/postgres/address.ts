import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

/** The ports of kept servers, below those that systems use for outgoing connections (Linux from 32768, others from 49152). */
const keptPorts = { from: 20_000, to: 30_000 }

/** The URL of the server whose data are in `dir`, as of its last start; undefined before the first. */
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

/** A port that is free now; with `keep`, one that is likely to be free at the next start too. */
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

/** What the lock file of the server in `home` says: https://www.postgresql.org/docs/current/storage-file-layout.html. */
export async function readLock(home: string): Promise<{ pid: string; port: number; status: string }> {
  const text = await readFile(join(home, 'data/postmaster.pid'), 'utf8').catch(() => '')
  const [pid = '', , , port, , , , status = ''] = text.split('\n')
  return { pid, port: Number(port), status: status.trim() }
}

/** Whether a program accepts connections on `port`. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
