import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The requests so far. */
export interface Sent {
  answered: number
  hungUp: Map<string, number>
  /** Failed requests: the connection broke, or the answer was a 5xx. */
  failed: number
}

/** The number of requests that are pipelined on one connection. */
const ahead = 50
const clients = 8
const host = 'Host: 127.0.0.1'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${host}\r\n\r\n`
const json = '{"text":"okay"}'
const post = `POST /probe/echo HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nContent-Length: `
const echo = `${post}${json.length}\r\n\r\n${json}`
const half = `POST /documents HTTP/1.1\r\n${host}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n--x\r\nContent-Disposition: form-data; name="document"; filename="a"\r\n\r\n${'x'.repeat(70_000)}`

/** How clients leave: their bytes, their stay, and their share in percent. */
const leaving = [
  { name: 'in a statement', share: 4, request: get('/probe/query?seconds=60'), stayMs: 15 },
  { name: 'in an upload', share: 4, request: half, stayMs: 15 },
  { name: 'in a stream', share: 12, request: get('/probe/stream?seconds=60'), stayMs: 10 },
  { name: 'in a body', share: 20, request: `${post}50000\r\n\r\n{`, stayMs: 3 },
  { name: 'at once', share: 60, request: get('/probe/stream?seconds=60'), stayMs: 0 },
] as const

/** Sends `count` requests, hangs up on one in five, and resolves when the last one has been answered or left. */
export async function send(port: number, count: number, sent: Sent): Promise<void> {
  const hangUps = Math.round(count / 5)
  const batches = Math.ceil((count - hangUps) / ahead)
  const patient = Array.from({ length: clients }, async (_, client) => {
    const socket = await dial(port)
    for (let i = client; i < batches; i += clients) {
      const left = count - hangUps - i * ahead
      await batch(socket, Math.min(ahead, left), sent)
    }
    socket.destroy()
  })
  let begun = 0
  const impatient = Array.from({ length: clients * 2 }, async () => {
    while (begun < hangUps) await leave(port, begun++, sent)
  })
  await Promise.all([...patient, ...impatient])
}

async function batch(socket: Socket, count: number, sent: Sent): Promise<void> {
  const requests = Array.from({ length: count }, (_, i) => {
    if (i === 0) return get('/documents?limit=1')
    return i % 10 === 1 ? echo : get('/livez')
  })
  socket.write(requests.join(''))
  let answers = 0
  let tail = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const text = tail + String(chunk)
    for (const [, status] of text.matchAll(/HTTP\/1\.1 (\d)\d\d /g)) {
      answers++
      if (status === '2') sent.answered++
      else sent.failed++
    }
    // A status line may be split.
    tail = /(?:H|HT|HTT|HTTP[^\r]{0,8})$/.exec(text)?.[0] ?? ''
    if (answers >= count) return
  }
  sent.failed += count - answers
}

async function leave(port: number, turn: number, sent: Sent): Promise<void> {
  let place = (turn * 37) % 100
  const how = leaving.find(({ share }) => (place -= share) < 0) ?? leaving[0]
  const socket = await dial(port)
  socket.write(how.request)
  if (how.stayMs > 0) await delay(how.stayMs)
  // Every second client closes its connection; the others reset it.
  if (turn % 2 === 0) socket.destroy()
  else socket.resetAndDestroy()
  sent.hungUp.set(how.name, (sent.hungUp.get(how.name) ?? 0) + 1)
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('connect', () => resolve(socket)).once('error', reject)
    // Later errors are handled where the connection is read.
    socket.on('error', () => undefined)
  })
}
