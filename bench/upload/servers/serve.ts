import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server of a peer: stores each request in the directory it was started with, and says its port as the service does. */
export function serve(store: (request: IncomingMessage, directory: string) => Promise<void>): void {
  const directory = process.argv[2] ?? '.'
  const server = createServer((request, response) => {
    store(request, directory).then(
      () => response.writeHead(201).end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  server.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ msg: 'listening', port: (server.address() as AddressInfo).port }))
  })
}
