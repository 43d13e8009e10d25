import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'

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

/**
 * Binds `server`, or closes it if that fails or ctx ends first.
 * @returns the port
 * @throws Error that names the address and what to do, if it cannot be bound; the cause of ctx if it ends first
 */
export async function bind(ctx: Context, server: Server, address: Address): Promise<number> {
  try {
    await until(ctx, listening(server, address))
  } catch (error) {
    // If ctx ended first, it may still become bound.
    server.close()
    throw error
  }
  return (server.address() as AddressInfo).port
}

function listening(server: Server, { host, port, purpose, variable }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      const advice = taken ? `the port is taken: stop what listens there, or set ${variable}` : error.message
      reject(new Error(`cannot ${purpose} on ${host}:${port}: ${advice}`, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
}
