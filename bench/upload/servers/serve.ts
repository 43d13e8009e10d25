import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The server of a peer: it stores each request in the directory of its arguments, and prints its port as the service does. */
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
