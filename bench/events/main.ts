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
import { measureBare } from './bare.ts'
import { tableOf, writeTable, type Flow } from './table.ts'

const usage = `npm run bench:events -- [options]

  --events n     in each measurement (default 6000)
  --instances n  of either service at most, measured with 1, 2, 4 … (default 4)
  --write        puts the table into the docs/events.md that services get; run \`npm run sample\` afterwards`

/** Seconds and events a second of the measurement of latencies. */
const steady = { seconds: 15, perSecond: 50 }
/** The number of keys, which are spread over the partitions. */
const keys = 500
/** Rows a second that are inserted into the outbox while a worker empties it, and for how many seconds. */
const flows = { seconds: 8, perSecond: [1_000, 2_000, 4_000, 8_000] }

interface Options {
  readonly events: number
  readonly instances: number
  readonly write: boolean
}

/** @throws Error of one sentence for an invalid flag */
function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string', default: '6000' },
      instances: { type: 'string', default: '4' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const { write } = values
  return {
    events: count('--events', values.events),
    instances: count('--instances', values.instances),
    write,
  }
}

/** Records every event of the outbox, and every row of the handlers, with its time. */
const noteCommitted = `create table committed (id text, text text, at timestamptz);
  create function note() returns trigger language plpgsql as $$ begin
    insert into committed values (new.id, new.data::json ->> 'text', clock_timestamp()); return null; end $$;
  create trigger note after insert on events.outbox for each row execute function note()`
const effects = `create table effects (number serial, key text, text text, at timestamptz default clock_timestamp());
  create sequence tries`

await command(usage, parseOptions, run)

/**
 * Measures bare JetStream, then two emitted services: how many events an instance publishes over HTTP, hands to the broker and
 * handles in a second, and how long an event takes from one database to the other.
 */
async function run(ctx: Context, { events, instances, write }: Options): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mainstem-bench-events-'))
  const postgres = await startPostgres({ dir: join(directory, 'postgres'), persistent: false })
  const nats = await startNats(join(directory, 'nats'), await freePort())
  const running: Emitted[] = []
  const clients: pg.Client[] = []
  try {
    const bare = await measureBare(nats.url, events, JSON.stringify({ key: 'key-1', text: 'x'.repeat(200) }))
    const prepare = async (name: string, piece: string, setUp: string): Promise<Prepared> => {
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

    const counts = [1, 2, 4, 8, 16].filter((n) => n <= instances)
    // Without a broker, so that nothing is handed over meanwhile.
    const published = await inTurn(counts, async (n) => {
      const ports = (await Promise.all(times(n, () => billing.start({})))).map(({ port }) => port)
      const perSecond = await rate(events, () => publishAll(ctx, ports, events, keys))
      await stop()
      return perSecond
    })
    const { port } = await billing.start({})
    const publishedOfOneKey = await rate(events, () => publishAll(ctx, [port], events, 1))
    await stop()
    const env = { BROKER_URL: nats.url }
    const outbox = 'select count(*) as n from events.outbox'
    const sender = await billing.start(env)
    const left = await total(billing.client, outbox)
    const handed = await rate(left, () => until(ctx, billing.client, outbox, 0))
    const waiting = await inTurn(flows.perSecond, async (perSecond) => {
      const reached = await flow(ctx, billing.client, perSecond)
      await until(ctx, billing.client, outbox, 0)
      return reached
    })
    const handled = await inTurn(counts, async (n) => {
      await fill(nats.url, ledger.client, billing.client, events, keys)
      await until(ctx, billing.client, outbox, 0)
      return handleAll(ctx, ledger, events, n, env)
    })
    await fill(nats.url, ledger.client, billing.client, events, 1)
    await until(ctx, billing.client, outbox, 0)
    const handledOfOneKey = await handleAll(ctx, ledger, events, 2, env)
    await ledger.start(env)
    const latencies = await steadily(ctx, sender.port, billing.client, ledger.client)
    const found = {
      ...{ bare, published, publishedOfOneKey, handed, handled, handledOfOneKey, latencies },
      ...{ flows: waiting, counts, perSecond: steady.perSecond },
    }
    const table = await tableOf(found)
    console.log(`${machine()}, Node ${process.version}, load of the last minute ${loadAverage()}\n\n${table}`)
    if (write) await writeTable(table)
  } finally {
    for (const client of clients) await client.end()
    for (const instance of running) await instance.end('SIGKILL')
    await nats.kill()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** One service of the measurement. */
interface Prepared {
  readonly client: pg.Client
  readonly start: (env: Readonly<Record<string, string>>) => Promise<Emitted>
}

function times<T>(n: number, make: () => T): T[] {
  return Array.from({ length: n }, make)
}

/** Measures with each value, one after the other. */
async function inTurn<T>(values: readonly number[], measure: (value: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (const value of values) results.push(await measure(value))
  return results
}

/** Lets `n` instances handle the events of the stream. @returns events a second, from when all had started */
async function handleAll(
  ctx: Context,
  { client, start }: Prepared,
  events: number,
  n: number,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const effects = 'select count(*) as n from effects'
  const started = await Promise.all(times(n, () => start(env)))
  const from = await total(client, effects)
  const ms = await timed(() => until(ctx, client, effects, events))
  for (const one of started) await one.end('SIGTERM')
  return ((events - from) / ms) * 1_000
}

/**
 * Inserts rows into the outbox, evenly, as transactions of ten would.
 * @returns how many were in it at the end, and the rate reached
 */
async function flow(ctx: Context, client: pg.Client, perSecond: number): Promise<Flow> {
  const startedAt = performance.now()
  for (let inserted = 0; inserted < perSecond * flows.seconds;) {
    const wanted = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond)
    for (; inserted < wanted; inserted += 10) await client.query(insertEvents(10, keys))
    await sleep(ctx, 5)
  }
  const reached = ((perSecond * flows.seconds) / (performance.now() - startedAt)) * 1_000
  return { reached, rows: await total(client, 'select count(*) as n from events.outbox') }
}

function insertEvents(events: number, keys: number): string {
  return `insert into events.outbox (id, type, key, headers, data)
    select gen_random_uuid(), 'probe-v1', 'key-' || n, '{}', json_build_object('key', 'key-' || n, 'text', gen_random_uuid() || repeat('x', 200))
    from (select floor(random() * ${keys})::int as n from generate_series(1, ${events})) as numbers`
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
async function publishAll(
  ctx: Context,
  ports: readonly number[],
  events: number,
  keys: number,
): Promise<void> {
  using clients = group(ctx, { limit: 16 })
  for (let n = 0; n < events; n++) clients.go((ctx) => publish(ctx, ports[n % ports.length] ?? 0, n, keys))
  await clients.wait()
}

async function publish(parent: Context, port: number, n: number, keys: number): Promise<void> {
  // undici keeps its listener on the signal for a while.
  using ctx = withCancel(parent)
  const query = new URLSearchParams({ key: `key-${n % keys}`, text: `${n} ${'x'.repeat(200)}` })
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

/** Empties the stream, and fills it with new events over the outbox. */
async function fill(
  url: string,
  handled: pg.Client,
  sent: pg.Client,
  events: number,
  keys: number,
): Promise<void> {
  const connection = await connect({ servers: new URL(url).host })
  const manager = await jetstreamManager(connection)
  await manager.streams.purge('probe-v1')
  for await (const { name } of manager.consumers.list('probe-v1'))
    await manager.consumers.delete('probe-v1', name)
  await connection.close()
  await handled.query('truncate effects, events.handled')
  await sent.query(insertEvents(events, keys))
}

/** Publishes at a low, steady rate. @returns the milliseconds of each event from its row in one database to that in the other */
async function steadily(ctx: Context, port: number, sent: pg.Client, handled: pg.Client): Promise<number[]> {
  await handled.query('truncate effects')
  await sent.query('truncate committed')
  using clients = group(ctx)
  const events = steady.seconds * steady.perSecond
  for (let n = 0; n < events; n++) {
    clients.go((ctx) => publish(ctx, port, n, keys))
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
