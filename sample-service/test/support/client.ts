import { request, type ClientRequest } from 'node:http'
import { connect } from 'node:net'
import type { LiveContext } from '../../src/context/context.ts'
import type { RunningService } from './service.ts'

/** A request that is under way. Its client can hang up, which `fetch` with its own pool cannot. */
export interface OpenRequest {
  /** Closes the connection. */
  hangUp(): void
  /** The answer, if there is one. */
  readonly answer: Promise<{ status: number; headers: Record<string, unknown>; body: string }>
}

/** Sends a request without a body and keeps its connection open until it is answered. */
export function open(url: string, method = 'GET', headers: Record<string, string> = {}): OpenRequest {
  let sent: ClientRequest | undefined
  const answer = new Promise<{ status: number; headers: Record<string, unknown>; body: string }>(
    (resolve, reject) => {
      sent = request(url, { method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
        })
      })
      sent.on('error', reject)
      sent.end()
    },
  )
  // A client that hangs up does not wait for the answer.
  answer.catch(() => undefined)
  return { answer, hangUp: () => sent?.destroy() }
}

/** A raw connection, for input that no client library sends: half a body, two requests in one packet. */
export interface Connection {
  send(text: string): void
  /** Everything received when `part` has come for the nth time; rejects if the connection closes before. */
  received(part: string, times?: number): Promise<string>
  /** Settles with everything received when the connection has closed. */
  readonly closed: Promise<string>
  hangUp(): void
}

/** Opens a connection to the service. */
export function connection({ url }: Pick<RunningService, 'url'>): Connection {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  // A reset by the service counts as a close.
  socket.on('error', () => undefined)
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  return {
    send: (part) => void socket.write(part),
    received: (part, times = 1) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (text.split(part).length > times) resolve(text)
        }
        socket.on('data', look)
        closed.then(() => reject(new Error(`closed before ${part} came ${times} times: ${text}`)), reject)
        look()
      }),
    closed,
    hangUp: () => socket.destroy(),
  }
}

/** The tree of the service's open contexts, from `/debug/contexts`. */
export async function liveTree({ adminUrl }: Pick<RunningService, 'adminUrl'>): Promise<LiveContext> {
  const response = await fetch(`${adminUrl}/debug/contexts`, { headers: { accept: 'application/json' } })
  return ((await response.json()) as { root: LiveContext }).root
}

/** The same as JSON, to look for names in. */
export async function liveContexts(service: Pick<RunningService, 'adminUrl'>): Promise<string> {
  return JSON.stringify(await liveTree(service))
}

/** Polls until `holds`, and resolves with the milliseconds that took; rejects after `withinMs`. For state without events. */
export async function eventually(holds: () => Promise<boolean>, withinMs = 5_000): Promise<number> {
  const startedAt = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedAt > withinMs)
      throw new Error(`it did not hold within ${withinMs} ms: ${String(holds)}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return performance.now() - startedAt
}

/** How many running statements of the service have `part` in their text. */
export async function running(service: RunningService, part: string): Promise<number> {
  const rows = await service.sql(
    `select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name <> 'test' and state <> 'idle' and query like $1`,
    [`%${part}%`],
  )
  return Number(rows[0]?.['count'])
}
