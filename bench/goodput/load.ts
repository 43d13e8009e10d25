import { setMaxListeners } from 'node:events'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { task, type Load } from './catalogue.ts'

/** The answers to the patient clients. */
export interface Answers {
  /** Milliseconds from the start at which each answer had come, and how long its client had waited. */
  readonly good: readonly { readonly atMs: number; readonly tookMs: number }[]
  /** Failed requests, by status or error. */
  readonly bad: ReadonlyMap<string, number>
  /** Clients that were waiting when it ended. */
  readonly waiting: number
}

/** Lets the clients of `load` loose on `url` for `ms` milliseconds. */
export async function runLoad(parent: Context, url: string, load: Load, ms: number): Promise<Answers> {
  using ctx = withTimeout(parent, ms)
  const agent = new Agent({ keepAlive: !load.documents })
  const start = performance.now()
  const good: { atMs: number; tookMs: number }[] = []
  const bad = new Map<string, number>()
  let waiting = 0

  async function patient(ctx: Context, first: number): Promise<void> {
    // Each client that waits listens to it; Node warns at 11.
    setMaxListeners(0, ctx.signal)
    await sleep(ctx, first)
    for (;;) {
      const askedAt = performance.now()
      const answer = await ask(ctx, agent, url)
      const now = performance.now()
      if (ctx.err !== undefined) {
        waiting++
        return
      }
      if (answer === '200') good.push({ atMs: now - start, tookMs: now - askedAt })
      else bad.set(answer, (bad.get(answer) ?? 0) + 1)
    }
  }

  async function impatient(ctx: Context, first: number): Promise<void> {
    await sleep(ctx, first)
    for (;;) {
      await knock(ctx, url, load.patienceMs)
      if (load.pauseMs > 0) await sleep(ctx, load.pauseMs)
    }
  }

  using clients = group(ctx)
  for (let i = 0; i < load.patient; i++) {
    // Staggered: if all clients started at once, the run would have whole rounds of ten answers, and one round more or less in a
    // half is 1.3 a second.
    const first = (task.querySeconds * 1_000 * i) / load.patient
    clients.go((ctx) => patient(ctx, first))
  }
  for (let i = 0; i < load.impatient; i++) {
    const first = ((load.patienceMs + load.pauseMs) * i) / load.impatient
    // The load ends after its time.
    clients.go((ctx) => impatient(ctx, first).catch(() => undefined))
  }
  await clients.wait()
  agent.destroy()
  return { good, bad, waiting }
}

/** Resolves with the status after the answer has been read, or with the code of the error. */
function ask(ctx: Context, agent: Agent, url: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get(url, { agent, signal: ctx.signal }, (response) => {
      response.resume()
      response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name))
      response.on('end', () => resolve(String(response.statusCode)))
    })
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name))
  })
}

/** Sends a request on a new connection, and closes it after `ms` milliseconds without reading anything. */
async function knock(ctx: Context, url: string, ms: number): Promise<void> {
  const { hostname, port, pathname, search, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  // If the server refuses connections, the client retries later as well.
  socket.on('error', () => undefined)
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  try {
    await sleep(ctx, ms)
  } finally {
    socket.destroy()
  }
}
