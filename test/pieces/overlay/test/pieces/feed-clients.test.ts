/** What many clients that follow events leave behind, and middlewares between them and the service. */
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { connection, eventually, liveContexts } from '../support/client.ts'
import { startService, type RunningService } from '../support/service.ts'

function ask(query: string, id: string, headers = ''): string {
  return `GET /probe/events?${query} HTTP/1.1\r\nhost: x\r\nx-request-id: ${id}\r\n${headers}\r\n`
}

test(
  '1,000 clients that leave leave no context and no descriptor behind',
  { timeout: 120_000 },
  async (t) => {
    const service = await startService(t, { probe: true })
    await fetch(`${service.url}/livez`)
    const before = await descriptors(service)
    for (let round = 0; round < 4; round++) {
      const sockets = await Promise.all(
        Array.from({ length: 250 }, async (_, i) => {
          const socket = await deaf(service, ask('bytes=10', `${round}-${i}`))
          socket.resume()
          await once(socket, 'data')
          return socket
        }),
      )
      for (const socket of sockets) socket.resetAndDestroy()
    }

    await eventually(async () => !(await liveContexts(service)).includes('/probe/events'), 30_000)
    await eventually(async () => (await descriptors(service)) <= before + 2, 30_000)
    const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
    expect(metrics).toMatch(/^events_clients 0$/m)
  },
)

test('behind compress() each event is sent as soon as it is published', async (t) => {
  const service = await startService(t, { probe: 'test/support/compressed.routes.ts' })
  const client = connection(service)

  client.send(ask('bytes=1', 'compressed', 'accept-encoding: gzip\r\n'))

  expect(await client.received('data: "x"')).not.toContain('content-encoding')
  client.hangUp()
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

async function descriptors({ pid }: RunningService): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}
