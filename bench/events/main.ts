import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import pg from 'pg'
import { makeDatabase } from '../../templates/service/scripts/postgres/databases.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { command, count, loadAverage, machine } from '../support/command.ts'
import { emitService, migrateEmitted, startEmitted, type Emitted } from '../support/emitted.ts'
import { freePort } from '../support/instance.ts'
import { startNats } from '../support/nats.ts'
import { median, percentile } from '../support/statistics.ts'
import { measureBare, type Bare } from './bare.ts'

const usage = `npm run bench:events -- [options]

  --events n     in each measurement (default 20000)
  --instances n  of the consumer, measured from 1 to n (default 2)`

/** Seconds and events a second of the measurement of latencies. */
const steady = { seconds: 20, perSecond: 50 }

interface Options {
  readonly events: number
  readonly instances: number
}

/** @throws Error of one sentence for an invalid flag */
function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string', default: '20000' },
      instances: { type: 'string', default: '2' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return { events: count('--events', values.events), instances: count('--instances', values.instances) }
}

/** Every event of the outbox with the time of its transaction, and what the handlers write with the time of theirs. */
const noteCommitted = `create table committed (id text, text text, at timestamptz);
  create function note() returns trigger language plpgsql as $$ begin
    insert into committed values (new.id, new.data::json ->> 'text', clock_timestamp()); return null; end $$;
  create trigger note after insert on events.outbox for each row execute function note()`
const effects = `create table effects (number serial, key text, text text, at timestamptz default clock_timestamp());
  create sequence tries`

await command(usage, parseOptions, run)

/**
 * Measures bare JetStream, then two emitted services: what one instance publishes over HTTP, hands to the broker and handles, and
 * how long an event takes from the one database to the other.
 */
async function run(ctx: Context, { events, instances }: Options): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mainstem-bench-events-'))
  const postgres = await startPostgres({ dir: join(directory, 'postgres'), persistent: false })
  const nats = await startNats(join(directory, 'nats'), await freePort())
  const running: Emitted[] = []
  const clients: pg.Client[] = []
  try {
    const bare = await measureBare(nats.url, events, JSON.stringify({ key: 'key-1', text: 'x'.repeat(200) }))
    const prepare = async (name: string, piece: string, setUp: string) => {
      const folder = await emitService(ctx, directory, name, [[piece, 'invoice-paid']])
      const { url } = await makeDatabase(postgres.url)
      await migrateEmitted(ctx, folder, url)
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      clients.push(client)
      await client.query(setUp)
      const start = async (env: Readonly<Record<string, string>>): Promise<Emitted> => {
        const own = { DATABASE_URL: url, UPLOAD_DIR: join(directory, 'uploads'), ...env }
        const instance = await startEmitted(ctx, folder, own)
        running.push(instance)
        return instance
      }
      return { client, start }
    }
    const billing = await prepare('billing', 'publisher', noteCommitted)
    const ledger = await prepare('ledger', 'consumer', effects)
    const stop = async (): Promise<void> => {
      for (const instance of running.splice(0)) await instance.end('SIGTERM')
    }

    // Without a broker: nothing is handed over meanwhile.
    const publisher = await billing.start({})
    const published = await rate(events, () => publishAll(ctx, publisher.port, events))
    await stop()
    const env = { BROKER_URL: nats.url }
    const outbox = 'select count(*) as n from events.outbox'
    const sender = await billing.start(env)
    const left = await total(billing.client, outbox)
    const handed = await rate(left, () => until(ctx, billing.client, outbox, 0))
    const handled: number[] = []
    for (let n = 1; n <= instances; n++) {
      await forgetHandled(nats.url, ledger.client)
      const begun = performance.now()
      const starting = await Promise.all(Array.from({ length: n }, () => ledger.start(env)))
      const startMs = performance.now() - begun
      const from = await total(ledger.client, 'select count(*) as n from effects')
      const ms = await timed(() => until(ctx, ledger.client, 'select count(*) as n from effects', events))
      handled.push(((events - from) / ms) * 1_000)
      process.stderr.write(`${n} instances: ${starting.length} started in ${startMs.toFixed(0)} ms\n`)
      if (n < instances) for (const one of starting) await one.end('SIGTERM')
    }
    const latencies = await steadily(ctx, sender.port, billing.client, ledger.client)
    print({ bare, published, handed, handled, latencies })
  } finally {
    for (const client of clients) await client.end()
    for (const instance of running) await instance.end('SIGKILL')
    await nats.kill()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

/** How many a second. */
async function rate(events: number, work: () => Promise<unknown>): Promise<number> {
  return (events / (await timed(work))) * 1_000
}

/** Publishes over HTTP, sixteen requests at a time. */
async function publishAll(ctx: Context, port: number, events: number): Promise<void> {
  using clients = group(ctx, { limit: 16 })
  for (let n = 0; n < events; n++) clients.go((ctx) => publish(ctx, port, n))
  await clients.wait()
}

async function publish(parent: Context, port: number, n: number): Promise<void> {
  // undici keeps its listener on the signal for a while.
  using ctx = withCancel(parent)
  const query = new URLSearchParams({ key: `key-${n % 500}`, text: `${n} ${'x'.repeat(200)}` })
  const url = `http://127.0.0.1:${port}/probe/events?${query.toString()}`
  const { status } = await fetch(url, { method: 'POST', signal: ctx.signal })
  if (status !== 202) throw new Error(`the publisher answered ${status}`)
}

async function total(client: pg.Client, select: string): Promise<number> {
  return Number((await client.query<{ n: string }>(select)).rows[0]?.n)
}

async function until(ctx: Context, client: pg.Client, select: string, wanted: number): Promise<void> {
  while ((await total(client, select)) !== wanted) await sleep(ctx, 20)
}

/** Lets the stream deliver all of its events once more, as if none had been handled. */
async function forgetHandled(url: string, client: pg.Client): Promise<void> {
  const connection = await connect({ servers: new URL(url).host })
  const manager = await jetstreamManager(connection)
  for await (const { name } of manager.consumers.list('probe-v1'))
    await manager.consumers.delete('probe-v1', name)
  await connection.close()
  await client.query('truncate effects, events.handled')
}

/** Publishes at a low, steady rate. @returns the milliseconds of each event from its row in one database to that in the other */
async function steadily(ctx: Context, port: number, sent: pg.Client, handled: pg.Client): Promise<number[]> {
  await handled.query('truncate effects')
  await sent.query('truncate committed')
  using clients = group(ctx)
  const events = steady.seconds * steady.perSecond
  for (let n = 0; n < events; n++) {
    clients.go((ctx) => publish(ctx, port, n))
    await sleep(ctx, 1_000 / steady.perSecond)
  }
  await clients.wait()
  await until(ctx, handled, 'select count(*) as n from effects', events)
  const read = async (client: pg.Client, table: string): Promise<Map<string, Date>> => {
    const { rows } = await client.query<{ text: string; at: Date }>(`select text, at from ${table}`)
    return new Map(rows.map(({ text, at }) => [text, at]))
  }
  const [from, to] = [await read(sent, 'committed'), await read(handled, 'effects')]
  return Array.from(from, ([text, at]) => Number(to.get(text)) - Number(at))
}

function print(found: {
  readonly bare: Bare
  readonly published: number
  readonly handed: number
  readonly handled: readonly number[]
  readonly latencies: readonly number[]
}): void {
  const { bare, published, handed, handled, latencies } = found
  const spread = (ms: readonly number[]): string =>
    `${median(ms).toFixed(1)} / ${percentile(ms, 0.99).toFixed(1)} ms`
  const rows: readonly (readonly [string, string])[] = [
    ['bare JetStream: published', `${bare.publishedPerSecond}/s`],
    ['bare JetStream: consumed from eight partitions, one out at a time', `${bare.orderedPerSecond}/s`],
    ['bare JetStream: consumed, a thousand out', `${bare.unorderedPerSecond}/s`],
    ['bare JetStream: publish → received, median / p99', spread(bare.latenciesMs)],
    ['published over HTTP in a transaction, one instance', `${published.toFixed(0)}/s`],
    ['handed to the broker from the outbox, one instance', `${handed.toFixed(0)}/s`],
    ...handled.map((perSecond, n): readonly [string, string] => [
      `handled in effect, ${n + 1} ${n === 0 ? 'instance' : 'instances'}`,
      `${perSecond.toFixed(0)}/s`,
    ]),
    [`commit → handled at ${steady.perSecond}/s, median / p99`, spread(latencies)],
  ]
  console.log(`${machine()}, Node ${process.version}, load of the last minute ${loadAverage()}\n`)
  console.log(['| | |', '|---|---|', ...rows.map(([what, figure]) => `| ${what} | ${figure} |`)].join('\n'))
}
