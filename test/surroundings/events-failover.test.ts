/** The primary of the events' database is lost, and its standby promoted, while events are published and handled. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { emitService, migrateEmitted, startEmitted } from '../../bench/support/emitted.ts'
import { startNats } from '../../bench/support/nats.ts'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { eventually } from './support/clients.ts'
import { missingCluster, startBalancer, startCluster } from './support/cluster.ts'
import { freePort, temporaryFolder } from './support/daemon.ts'
import { find } from './support/programs.ts'

const keys = 12
const clients = 4

/** What the transactions that publish have committed, in its order, beside what the handlers have. */
const tables = `create table effects (number serial, key text, text text); create sequence tries;
  create table committed (number bigint, key text, text text);
  create function note() returns trigger language plpgsql as $$ begin
    insert into committed values (new.number, new.key, new.data::json ->> 'text'); return null; end $$;
  create trigger note after insert on events.outbox for each row execute function note()`

interface Row {
  readonly key: string
  readonly text: string
}

test.skipIf(find('nats-server') === undefined)(
  'if a primary with a synchronous standby is lost, no event is lost and none is handled twice',
  { timeout: 360_000 },
  async (t) => {
    const missing = missingCluster()
    if (missing !== undefined) return t.skip(missing)
    const ctx = testContext(t)
    const folder = await temporaryFolder(t, 'events-failover')
    const { primary, standby } = await startCluster(t)
    await primary.sql(`alter system set synchronous_standby_names = '*'`)
    await primary.sql('select pg_reload_conf()')
    const balancer = await startBalancer(t, primary.port)
    const url = `postgres://postgres@127.0.0.1:${balancer.port}/postgres`
    const nats = await startNats(join(folder, 'nats'), await freePort())
    t.onTestFinished(() => nats.kill())
    const pieces = ['publisher', 'consumer'].map((piece) => [piece, 'invoice-paid'])
    const service = await emitService(ctx, folder, 'ledger', pieces)
    await migrateEmitted(ctx, service, url)
    await query(url, tables)
    const ports: number[] = []
    for (let n = 0; n < 2; n++) {
      const env = { DATABASE_URL: url, BROKER_URL: nats.url, UPLOAD_DIR: join(folder, 'uploads') }
      const instance = await startEmitted(ctx, service, env)
      t.onTestFinished(async () => {
        await instance.end('SIGKILL')
      })
      ports.push(instance.port)
    }

    const answered: string[] = []
    using over = withCancel(ctx)
    using publishing = group(ctx)
    for (let n = 0; n < clients; n++)
      publishing.go((ctx) => publishAlways(ctx, over, ports[n % ports.length] ?? 0, answered))
    const effects = async () =>
      (await query<Row>(url, 'select key, text from effects order by number')).length
    await eventually(async () => (await effects()) > 200, 60_000)

    await primary.crash()
    balancer.leadTo(standby.port)
    await standby.sql('select pg_promote()')
    const before = answered.length
    await eventually(() => Promise.resolve(answered.length > before + 200), 60_000)
    over.cancel()
    await publishing.wait()

    const rows = (table: string) => query<Row>(url, `select key, text from ${table} order by number`)
    const committed = await rows('committed')
    await eventually(async () => (await effects()) >= committed.length, 60_000)
    const handled = await rows('effects')
    const texts = new Set(committed.map(({ text }) => text))
    expect(answered.filter((text) => !texts.has(text))).toEqual([])
    for (let key = 0; key < keys; key++) {
      const of = (all: readonly Row[]) => all.flatMap((row) => (row.key === `key-${key}` ? [row.text] : []))
      expect(of(handled), `key-${key}`).toEqual(of(committed))
    }
    expect(await query(url, 'select from events.held')).toEqual([])
  },
)

/**
 * Publishes one event after the other, until `over` ends. Adds to `answered` the texts of those that the
 * service says are committed.
 */
async function publishAlways(ctx: Context, over: Context, port: number, answered: string[]): Promise<void> {
  while (over.err === undefined) {
    const text = randomUUID()
    const key = `key-${Math.floor(Math.random() * keys)}`
    const url = `http://127.0.0.1:${port}/probe/events?key=${key}&text=${text}`
    // undici keeps its listener on the signal for a while.
    using request = withCancel(ctx)
    const { status } = await fetch(url, { method: 'POST', signal: request.signal })
    if (status === 202) answered.push(text)
    else await sleep(ctx, 50)
  }
}

async function query<T extends pg.QueryResultRow>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<T>(text)).rows
  } finally {
    await client.end()
  }
}
