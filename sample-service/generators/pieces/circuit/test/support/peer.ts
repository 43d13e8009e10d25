import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { RunningTest } from './service.ts'

/** A request that a peer got. */
export interface Received {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Monotonic milliseconds. */
  readonly at: number
  /** Resolves when its response has ended: with true if all of it was sent, false if the client left. */
  readonly ended: Promise<boolean>
}

/** Another service, which answers as the test wants. */
export interface Peer {
  readonly url: string
  readonly received: readonly Received[]
  /** How many connections clients have made so far. */
  connections(): number
}

/** Listens on loopback until the test ends. `answer` gets each response to send, with the request's number from 1. */
export async function startPeer(
  t: RunningTest,
  answer: (response: ServerResponse, number: number) => void,
): Promise<Peer> {
  const received: Received[] = []
  let connections = 0
  const server = createServer((request, response) => {
    const ended = once(response, 'close').then(() => response.writableFinished)
    const keep = async (): Promise<void> => {
      const { method, url, headers } = request
      const body = await text(request)
      answer(response, received.push({ method, url, headers, body, at: performance.now(), ended }))
    }
    keep().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  server.on('connection', () => connections++)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    connections: () => connections,
  }
}
