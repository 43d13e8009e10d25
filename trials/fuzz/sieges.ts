import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { closeOf, dial, say } from './wire.ts'

/** The service's time limits, in milliseconds: short, so that a connection beyond them shows soon. */
export const limits = { requestMs: 1_000, uploadMs: 2_000, stallMs: 700 } as const
/** The service looks for overdue connections once a second, and closes a connection when it finds it the second time. */
const slackMs = 4_000

/** The results of a siege's connections. */
export interface Outcome {
  readonly tried: number
  /** Connections that stayed open beyond their limit. */
  readonly hangs: number
  readonly note: string
}

/** Many connections that do the same thing, and hold resources as long as they can. */
export interface Siege {
  readonly name: string
  readonly about: string
  run(target: { port: number; largeId: string }, idle: number): Promise<Outcome>
}

const eachOf = 100
/** Connections that are opened at a time. */
const atOnce = 50
const host = 'Host: 127.0.0.1'

/** Sends `start`, then `drip` every `everyMs`, until the service closes. @returns how long that took; Infinity if too long */
async function drip(
  port: number,
  { start, drip, everyMs, limitMs }: { start: string; drip: string; everyMs: number; limitMs: number },
): Promise<number> {
  const startedAt = performance.now()
  const socket = dial(port)
  socket.resume()
  socket.write(start)
  const timer = drip === '' ? undefined : setInterval(() => socket.write(drip), everyMs)
  const closed = closeOf(socket).then(() => true)
  const inTime = await Promise.race([closed, delay(limitMs + slackMs, false)])
  clearInterval(timer)
  socket.destroy()
  return inTime ? performance.now() - startedAt : Infinity
}

function dripping(name: string, about: string, how: Parameters<typeof drip>[1]): Siege {
  return {
    name,
    about,
    async run({ port }) {
      const took = await Promise.all(Array.from({ length: eachOf }, () => drip(port, how)))
      const late = took.filter((ms) => ms === Infinity)
      const longest = Math.max(...took.filter((ms) => ms !== Infinity))
      return {
        tried: took.length,
        hangs: late.length,
        note: `closed after ${(longest / 1_000).toFixed(1)} s at most`,
      }
    },
  }
}

const { requestMs, uploadMs, stallMs } = limits
const json = `POST /probe/echo HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n{`
const form = `POST /documents HTTP/1.1\r\n${host}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 50000\r\n\r\n--x\r\nContent-Disposition: form-data; name="document"; filename="a"\r\n\r\n`

export const sieges: readonly Siege[] = [
  dripping('silence', 'a connection that sends nothing', {
    start: '',
    drip: '',
    everyMs: 100,
    limitMs: requestMs,
  }),
  dripping('slow-headers', 'a header every 100 ms', {
    start: `GET /livez HTTP/1.1\r\n${host}\r\n`,
    drip: 'A: b\r\n',
    everyMs: 100,
    limitMs: requestMs,
  }),
  dripping('slow-json', 'a byte of the body every 100 ms', {
    start: json,
    drip: ' ',
    everyMs: 100,
    limitMs: requestMs,
  }),
  dripping('slow-upload', 'a byte of the file every 100 ms', {
    start: form,
    drip: ' ',
    everyMs: 100,
    limitMs: uploadMs,
  }),
  dripping('stalled-upload', 'half a file', { start: form, drip: '', everyMs: 100, limitMs: stallMs }),
  dripping('unread-body', 'a body that no route reads', {
    start: `GET /livez HTTP/1.1\r\n${host}\r\nContent-Length: 50000\r\n\r\n`,
    drip: ' ',
    everyMs: 100,
    limitMs: requestMs + uploadMs,
  }),
  {
    name: 'unread-answers',
    about: '3,000 requests sent ahead, whose answers nobody reads',
    run: ({ port }) =>
      unread(port, `GET /openapi.json HTTP/1.1\r\n${host}\r\n\r\n`.repeat(3_000), requestMs, 20),
  },
  {
    name: 'unread-download',
    about: 'a large document that nobody reads',
    run: ({ port, largeId }) =>
      unread(port, `GET /documents/${largeId}/content HTTP/1.1\r\n${host}\r\n\r\n`, uploadMs, 20),
  },
  {
    name: 'idle',
    about: 'connections that send nothing, while others are served',
    run: ({ port }, idle) => siegeOfIdle(port, idle),
  },
]

/** Reads nothing until the limit has passed; then it must find what was sent before, and the end. */
async function unread(port: number, request: string, limitMs: number, clients: number): Promise<Outcome> {
  const hung = await Promise.all(
    Array.from({ length: clients }, async () => {
      const socket = dial(port)
      // The close may come before any byte of an answer, and is then noticed at once.
      const closed = closeOf(socket).then(() => false)
      socket.write(request)
      await delay(limitMs + slackMs)
      // If the service had kept it, it would now send the rest and keep the connection.
      socket.resume()
      const isOpen = await Promise.race([closed, delay(1_000, true)])
      socket.destroy()
      return isOpen
    }),
  )
  const hangs = hung.filter(Boolean).length
  return { tried: clients, hangs, note: `cut off within ${(limitMs + slackMs) / 1_000} s` }
}

/** Each connection gets one answer and then stays silent, while others send requests. A failed request counts as a hang. */
async function siegeOfIdle(port: number, count: number): Promise<Outcome> {
  const sockets: Socket[] = []
  let open = 0
  let asked = 0
  let worst = 0
  let refused = 0
  const siege = { over: false }
  const request = (more = ''): string => `GET /readyz HTTP/1.1\r\n${host}\r\n${more}\r\n`
  const asking = (async () => {
    while (!siege.over) {
      const startedAt = performance.now()
      const pieces = [request('Connection: close\r\n')]
      const { statuses } = await say(port, pieces, { patient: true, limitMs: 5_000 })
      asked++
      if (statuses[0] !== 200) refused++
      worst = Math.max(worst, performance.now() - startedAt)
      await delay(50)
    }
  })()
  for (let i = 0; i < count; i += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - i) }, async () => {
      const socket = dial(port)
      sockets.push(socket)
      open++
      socket.once('close', () => open--)
      socket.write(request())
      await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
    })
    await Promise.all(some)
  }
  await delay(requestMs + slackMs)
  const held = open
  siege.over = true
  await asking
  for (const socket of sockets) socket.destroy()
  const note = `${held} open at a time; of ${asked} other requests the slowest took ${Math.round(worst)} ms, and ${refused} were not served`
  return { tried: count, hangs: refused, note }
}
