import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import {
  withCancel,
  withTimeout,
  type CancelContext,
  type Context,
} from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { command, count, machine } from '../support/command.ts'
import { memoryOf, startSample, type Sample } from '../support/sample.ts'
import { growFleet } from './fleet.ts'

const usage = `npm run bench:growth -- [options]

  --most n        the largest number of live contexts and requests (default 100000; requests stop at 16000)
  --instances n   as many instances on one PostgreSQL at most (default 16)
  --pool n        DATABASE_POOL_MAX of each instance (default 10)
  --only a        one of contexts, requests, instances`

const sizes = [10, 100, 1_000, 10_000, 100_000]
/** Each has a connection of its own, of which the server accepts 16,384. */
const mostRequests = 16_000

function sizesTo(most: number): number[] {
  return [...new Set(sizes.map((size) => Math.min(size, most)))]
}

await command(usage, parseOptions, run)

interface Options {
  readonly most: number
  readonly instances: number
  readonly pool: number
  readonly only: string | undefined
}

function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      most: { type: 'string', default: '100000' },
      instances: { type: 'string', default: '16' },
      pool: { type: 'string', default: '10' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const [most, instances] = [count('--most', values.most), count('--instances', values.instances)]
  return { most, instances, pool: count('--pool', values.pool), only: values.only }
}

/** Prints the cost of a live context and of a live request, by their number, and how many instances fit on one PostgreSQL. */
async function run(ctx: Context, { most, instances, pool, only }: Options): Promise<void> {
  console.log(`${machine()}, Node ${process.version}`)
  if (only === undefined || only === 'contexts') {
    console.log('\n| live contexts | bytes each | µs to derive and end one more |\n|---|---|---|')
    for (const size of sizesTo(most)) console.log(contexts(ctx, size))
  }
  if (only === undefined || only === 'requests') {
    console.log('\n| live requests | KB each | ms that GET /livez takes |\n|---|---|---|')
    for (const size of sizesTo(Math.min(most, mostRequests))) {
      await using sample = await startSample(ctx, {
        env: { LOG_LEVEL: 'info', REQUEST_TIMEOUT_MS: '600000' },
      })
      console.log(await requests(ctx, sample, size))
    }
  }
  if (only === undefined || only === 'instances') await growFleet(ctx, instances, pool)
}

function contexts(parent: Context, size: number): string {
  const heapBefore = heap()
  const live: CancelContext[] = Array.from({ length: size }, () => withTimeout(parent, 600_000))
  const bytes = (heap() - heapBefore) / size
  const times = 100_000
  const startedAt = performance.now()
  for (let i = 0; i < times; i++) withCancel(parent).cancel()
  const us = ((performance.now() - startedAt) * 1_000) / times
  live.forEach((each) => each.cancel())
  return `| ${size} | ${bytes.toFixed(0)} | ${us.toFixed(2)} |`
}

function heap(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** Requests whose handler waits, without the database. */
async function requests(ctx: Context, sample: Sample, size: number): Promise<string> {
  await fetch(`http://127.0.0.1:${sample.port}/livez`)
  const { now: before } = await memoryOf(sample.pid)
  const sockets: Socket[] = []
  try {
    for (let i = 0; i < size; i++) {
      const socket = connect(sample.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write('GET /probe/deaf?seconds=60 HTTP/1.1\r\nHost: a\r\n\r\n')
      sockets.push(socket)
      // Pauses, so that the queue of connections that wait to be accepted does not overflow.
      if (i % 200 === 199) await sleep(ctx, 50)
    }
    for (let tries = 0; (await sample.contexts()).live < size; tries++) {
      if (tries === 100) throw new Error(`not all of ${size} requests are live`)
      await sleep(ctx, 100)
    }
    const { now } = await memoryOf(sample.pid)
    const askedAt = performance.now()
    await fetch(`http://127.0.0.1:${sample.port}/livez`)
    const ms = performance.now() - askedAt
    return `| ${size} | ${((now - before) / size / 1_024).toFixed(1)} | ${ms.toFixed(1)} |`
  } finally {
    sockets.forEach((socket) => socket.destroy())
  }
}
