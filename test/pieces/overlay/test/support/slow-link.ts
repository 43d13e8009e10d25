import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { RunningTest } from './service.ts'

/** A link to a port of this machine whose data arrive `ms` milliseconds late, in either direction. */
export async function startSlowLink(
  t: RunningTest,
  port: number,
  ms: number,
): Promise<{ readonly url: string }> {
  const open = new Set<Socket>()
  const late = (from: Socket, to: Socket): void => {
    open.add(from)
    from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), ms / 2))
    from.on('error', () => undefined).on('close', () => to.destroy())
  }
  const server = createServer((socket) => {
    const target = connect(port, '127.0.0.1')
    late(socket, target)
    late(target, socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
