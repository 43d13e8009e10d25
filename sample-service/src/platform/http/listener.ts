import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Context, Lifetime } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import type { Log } from '../telemetry/log.ts'
import { repetitions } from '../telemetry/diagnostics.ts'

/** Where a server listens, and how an error describes it. */
export interface Address {
  readonly host: string
  /** 0 means any free one. */
  readonly port: number
  /** `listen for admin`, as in `cannot listen for admin on …`. */
  readonly purpose: string
  /** The environment variable that sets another port. */
  readonly variable: string
}

/** How long a listener is silent after it has logged a failure: the system may report the same one a thousand times a second. */
const silenceMs = 10_000

/**
 * Binds `server`, or closes it if that fails or ctx ends first. Once it is bound, its failures are logged under `root`, and it
 * goes on listening: when no descriptor is left for a connection, the next connection may find one.
 * @returns the port
 * @throws Error that names the address and what to do, if it cannot be bound; the cause of ctx if it ends first
 */
export async function bind(
  ctx: Context,
  root: Lifetime,
  log: Log,
  server: Server,
  address: Address,
): Promise<number> {
  try {
    await until(ctx, listening(server, address))
  } catch (error) {
    // If ctx ended first, the host's name may still be looked up: Node does not bind a server that was closed meanwhile.
    server.close()
    throw error
  }
  const { port } = server.address() as AddressInfo
  logFailures(root, log, server, `${address.host}:${port}`)
  return port
}

function listening(server: Server, { host, port, purpose, variable }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    // It stays: without a listener, an error would end the process.
    server.on('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      const advice = taken ? `the port is taken: stop what listens there, or set ${variable}` : error.message
      reject(new Error(`cannot ${purpose} on ${host}:${port}: ${advice}`, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
}

function logFailures(root: Lifetime, log: Log, server: Server, address: string): void {
  const message = 'a connection could not be accepted'
  const held = repetitions(silenceMs)
  server.on('error', (err) => {
    const repeated = held(message)
    if (repeated === undefined) return
    log.warn(root, message, { address, err, ...(repeated > 0 && { repeated }) })
  })
}
