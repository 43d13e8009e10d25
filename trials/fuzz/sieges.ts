import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { closeOf, dial, say } from './wire.ts'

/** What the service is started with, in milliseconds: short, so that what outlasts it is seen soon. */
export const limits = { requestMs: 1_000, uploadMs: 2_000, stallMs: 700 } as const
/** Connections that have had their time are looked for once a second, and cut off the second time. */
const slackMs = 4_000

/** What became of the connections of a siege. */
export interface Outcome {
  readonly tried: number
  /** Connections that were held longer than their limit. */
  readonly hangs: number
  readonly note: string
}

/** Many connections that do one thing, and hold what they can for as long as they can. */
export interface Siege {
  readonly name: string
  readonly about: string
  run(target: { port: number; largeId: string }, idle: number): Promise<Outcome>
}

const eachOf = 100
/** Connections that are opened at a time. */
const atOnce = 50
const host = 'Host: 127.0.0.1'

/** Sends `start`, then `drip` every `everyMs`, until it is closed; the milliseconds that took, Infinity if it took too long. */
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
  dripping('silence', 'a connection that says nothing', {
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
    about: 'connections that say nothing, while others are served',
    run: ({ port }, idle) => siegeOfIdle(port, idle),
  },
]

/** Reads nothing until the limit is over; then what had been sent until then is there, and the end. */
async function unread(port: number, request: string, limitMs: number, clients: number): Promise<Outcome> {
  const hung = await Promise.all(
    Array.from({ length: clients }, async () => {
      const socket = dial(port)
      socket.write(request)
      await delay(limitMs + slackMs)
      // Had the service kept it, it would now send the rest, and keep the connection.
      const closed = closeOf(socket).then(() => false)
      socket.resume()
      const isOpen = await Promise.race([closed, delay(1_000, true)])
      socket.destroy()
      return isOpen
    }),
  )
  const hangs = hung.filter(Boolean).length
  return { tried: clients, hangs, note: `cut off within ${(limitMs + slackMs) / 1_000} s` }
}

/** Each has been answered once, and then says nothing; meanwhile others ask. What of it fails counts as a hang. */
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
  const note = `${held} open at a time; beside them ${asked} asked, the slowest for ${Math.round(worst)} ms, and ${refused} were not served`
  return { tried: count, hangs: refused, note }
}
