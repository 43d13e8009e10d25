import { connect } from 'node:net'

// Sends requests on a connection of their own, eight at a time: load.js <port> <path> <requests> <hang up after ms, or 0>.
const [port = 0, path = '/', requests = 0, afterMs = 0] = process.argv
  .slice(2)
  .map((value) => (value.startsWith('/') ? value : Number(value)))

/** Resolves when the connection has ended: by the server after its answer, or by this client. */
function once(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      if (Number(afterMs) > 0) setTimeout(() => socket.destroy(), Number(afterMs))
    })
    socket.resume()
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
  })
}

let left = Number(requests)
const clients = Array.from({ length: 8 }, async () => {
  while (left-- > 0) await once()
})
await Promise.all(clients)
