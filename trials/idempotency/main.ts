import { randomUUID } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { allHold, command, count, verdictsTable, type Verdict } from '../../bench/support/command.ts'
import { startSampleProcess, type Line, type Running } from '../../bench/support/process.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { makeService, removeService } from './service.ts'

const usage = `npm run idempotency -- [options]

  --breaks n     connections that a client breaks at a random moment of its request (default 1000)
  --rounds n     times that the service is killed with kill -9 under load (default 25)
  --clients n    each repeats a request until it is answered, then sends the next (default 8)`

await command(usage, parseOptions, run)

interface Options {
  readonly breaks: number
  readonly rounds: number
  readonly clients: number
}

/** @throws Error of one sentence for an invalid flag */
function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      breaks: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '25' },
      clients: { type: 'string', default: '8' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    breaks: count('--breaks', values.breaks),
    rounds: count('--rounds', values.rounds),
    clients: count('--clients', values.clients),
  }
}

/** The results of the clients. */
interface Seen {
  /** The id in the answer, by the reference in the request. */
  readonly answered: Map<string, string>
  broken: number
  /** Requests that ended without an answer because the service was killed. */
  cutOff: number
  repeated: number
  underWay: number
  /** Answers that differ from an earlier one to the same request. */
  readonly faults: string[]
}

/**
 * Breaks connections, then kills the service, while clients repeat their requests; counts the rows. @returns whether it found no
 * fault
 */
async function run(ctx: Context, options: Options): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mainstem-idempotency-'))
  const postgres = await startPostgres({ dir: join(folder, '.data/trial'), persistent: false })
  const client = new pg.Client({ connectionString: postgres.url })
  let running: Running | undefined
  const seen: Seen = { answered: new Map(), broken: 0, cutOff: 0, repeated: 0, underWay: 0, faults: [] }
  try {
    process.stderr.write('creating the service\n')
    await makeService(ctx, folder)
    const env = { DATABASE_URL: postgres.url, UPLOAD_DIR: join(folder, '.data/uploads'), LOG_LEVEL: 'info' }
    const start = async (program = 'dist/main.js'): Promise<Running> =>
      startSampleProcess(ctx, { args: [program], env, cwd: folder, ipc: false, read })
    await client.connect()
    await migrate(folder, env)

    running = await start()
    await breakConnections(ctx, running.port, options, seen)
    for (let round = 1; round <= options.rounds; round++) {
      process.stderr.write(`kill -9 ${round} of ${options.rounds}\r`)
      running = await killUnderLoad(ctx, running, start, options.clients, seen)
    }
    return await judge(client, options, seen)
  } finally {
    await running?.end('SIGKILL')
    await client.end().catch(() => undefined)
    await postgres.stop()
    await removeService(folder)
  }
}

function read(text: string): Line {
  return JSON.parse(text) as Line
}

async function migrate(cwd: string, env: Readonly<Record<string, string>>): Promise<void> {
  const child = spawn(process.execPath, ['dist/migrate.js'], {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`the migrations ended with ${code ?? 'a signal'}`)
}

/** Each client breaks the connection of a request one to five times, and then repeats it until it is answered. */
async function breakConnections(
  ctx: Context,
  port: number,
  { breaks, clients }: Options,
  seen: Seen,
): Promise<void> {
  using all = group(ctx)
  for (let n = 0; n < clients; n++) {
    all.go(async (ctx) => {
      while (seen.broken < breaks) {
        const reference = randomUUID()
        const times = 1 + Math.floor(Math.random() * 5)
        for (let i = 0; i < times; i++) await breakOne(ctx, port, reference, seen)
        await payUntilAnswered(ctx, () => port, reference, seen)
        process.stderr.write(`connections broken: ${seen.broken}\r`)
      }
    })
  }
  await all.wait()
}

/** Sends a request, or half of it, and resets the connection up to 20 ms later. */
async function breakOne(ctx: Context, port: number, reference: string, seen: Seen): Promise<void> {
  const body = JSON.stringify({ reference })
  const head = `POST /payments HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nidempotency-key: ${reference}\r\ncontent-length: ${body.length}\r\n\r\n`
  const text = head + body
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(Math.random() < 0.2 ? text.slice(0, Math.floor(Math.random() * text.length)) : text)
  await sleep(ctx, Math.random() * 20)
  socket.resetAndDestroy()
  seen.broken++
}

/** Repeats one request until it has a final answer. Checks that a repeat gets the same answer. */
async function payUntilAnswered(
  ctx: Context,
  port: () => number,
  reference: string,
  seen: Seen,
): Promise<void> {
  for (;;) {
    const answer = await pay(ctx, port(), reference).catch(() => undefined)
    if (answer === undefined) {
      seen.cutOff++
      await sleep(ctx, 5)
    } else if (answer.status === 201) {
      const before = seen.answered.get(reference)
      if (before !== undefined && before !== answer.id)
        seen.faults.push(`${reference}: ${before}, then ${answer.id}`)
      seen.answered.set(reference, answer.id)
      if (before !== undefined || Math.random() < 0.5) return
      // Sends it once more, though it was answered.
      seen.repeated++
    } else if (answer.status === 409) {
      seen.underWay++
      await sleep(ctx, 5)
    } else if (answer.status === 503) {
      await sleep(ctx, 5)
    } else {
      seen.faults.push(`${reference}: answered ${answer.status}`)
      return
    }
  }
}

async function pay(ctx: Context, port: number, reference: string): Promise<{ status: number; id: string }> {
  const response = await fetch(`http://127.0.0.1:${port}/payments`, {
    method: 'POST',
    body: JSON.stringify({ reference }),
    headers: { 'content-type': 'application/json', 'idempotency-key': reference },
    signal: ctx.signal,
  })
  const { id = '' } = (await response.json()) as { id?: string }
  return { status: response.status, id }
}

/** Kills the service at a random moment while clients send requests; they repeat theirs at the next instance. */
async function killUnderLoad(
  ctx: Context,
  first: Running,
  start: () => Promise<Running>,
  clients: number,
  seen: Seen,
): Promise<Running> {
  let running = first
  let over = false
  const isOver = (): boolean => over
  using all = group(ctx)
  for (let n = 0; n < clients; n++) {
    all.go(async (ctx) => {
      while (!isOver()) await payUntilAnswered(ctx, () => running.port, randomUUID(), seen)
    })
  }
  await sleep(ctx, 100 + Math.random() * 300)
  await running.end('SIGKILL')
  running = await start()
  over = true
  await all.wait()
  return running
}

async function judge(client: pg.Client, { breaks, rounds }: Options, seen: Seen): Promise<boolean> {
  const { rows } = await client.query<{ reference: string; ids: string[] }>(
    'select reference, array_agg(id::text) as ids from payments group by reference',
  )
  const stored = new Map(rows.map(({ reference, ids }) => [reference, ids]))
  const twice = rows.filter(({ ids }) => ids.length > 1).length
  const lost = [...seen.answered].filter(([reference, id]) => stored.get(reference)?.[0] !== id).length
  const unknown = rows.filter(({ reference }) => !seen.answered.has(reference)).length
  for (const fault of seen.faults.slice(0, 10)) console.error(fault)
  const verdicts: Verdict[] = [
    ['connections broken at a random moment', seen.broken, seen.broken >= breaks],
    ['rounds of kill -9 under load', rounds],
    ['attempts that the kills cut off', seen.cutOff, seen.cutOff > 0],
    ['requests answered', seen.answered.size, seen.answered.size > 0],
    ['repeats of an answered request', seen.repeated],
    ['repeats while the first was under way (409)', seen.underWay],
    ['rows', rows.reduce((sum, { ids }) => sum + ids.length, 0)],
    ['requests with two rows', twice, twice === 0],
    ['answered requests without their row', lost, lost === 0],
    ['rows of requests without an answer', unknown, unknown === 0],
    ['other answers', seen.faults.length, seen.faults.length === 0],
  ]
  console.log(verdictsTable(verdicts))
  return allHold(verdicts)
}
