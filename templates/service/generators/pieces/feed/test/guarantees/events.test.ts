/**
 * Promise: A stream of events ends with its client, its deadline or the service, and holds nothing for a client that does not read.
 * Go: `http.ResponseController` and `r.Context()` in a handler that flushes events
 * Held by: src/platform/feed/sse.ts
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { connection, liveContexts } from '../support/client.ts'
import { sharedService, startService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })

function ask(query: string, id: string, headers = ''): string {
  return `GET /probe/events?${query} HTTP/1.1\r\nhost: x\r\nx-request-id: ${id}\r\n${headers}\r\n`
}

test('a silent stream sends comments, so that a lost client is noticed', async () => {
  const client = connection(shared())

  client.send(ask('heartbeatMs=150', 'silent'))

  const text = await client.received('\n:\n\n', 3)
  expect(text).toContain('content-type: text/event-stream')
  expect(text).toContain('retry: 3000\n\n')
  client.hangUp()
})

test('a client that does not read is disconnected, and its events are not buffered', async (t) => {
  const service = await startService(t, { probe: true, env: { REQUEST_TIMEOUT_MS: '60000' } })
  const before = await memory(service)
  const sockets = await Promise.all(
    Array.from({ length: 20 }, (_, i) => deaf(service, ask('everyMs=0&bytes=50000', `deaf-${i}`))),
  )

  for (const [i] of sockets.entries()) {
    const line = await service.line(({ requestId, msg }) => msg === 'request' && requestId === `deaf-${i}`)
    expect(line).toMatchObject({ level: 'info', status: 408 })
  }
  expect(service.log.filter(({ msg }) => msg.includes('did not read its events'))).toHaveLength(20)
  // Each has a few frames in the socket and in the stream, not the hundreds of a second.
  expect((await memory(service)) - before).toBeLessThan(100e6)
  expect(await liveContexts(service)).not.toContain('/probe/events')
  for (const socket of sockets) socket.destroy()
})

test('a stream ends when the token that opened it expires', async () => {
  const client = connection(shared())
  const startedAt = performance.now()

  client.send(ask('bytes=1', 'expired', 'x-expires-ms: 500\r\n'))

  // The last chunk, so the stream is complete.
  expect(await client.received('\r\n0\r\n\r\n')).toContain('data: "x"')
  // Not its deadline.
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  expect(await shared().line(({ requestId }) => requestId === 'expired')).toMatchObject({ status: 200 })
})

/** A connection that has sent a request and reads nothing. */
async function deaf({ url }: RunningService, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(
    socket.on('error', () => undefined),
    'connect',
  )
  socket.write(text)
  return socket
}

async function memory({ adminUrl }: RunningService): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/^process_memory_usage_bytes (\d+)$/m.exec(metrics)?.[1])
}
