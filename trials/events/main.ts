import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { makeDatabase } from '../../templates/service/scripts/postgres/databases.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { allHold, command, count, verdictsTable, type Verdict } from '../../bench/support/command.ts'
import { emitService, migrateEmitted, startEmitted, type Emitted } from '../../bench/support/emitted.ts'
import { freePort } from '../../bench/support/instance.ts'
import { startNats, type Nats } from '../../bench/support/nats.ts'
import { publishAlways, type Load } from './load.ts'

const usage = `npm run events -- [options]

  --rounds n     times that the publisher, the consumer or the broker gets kill -9 (default 200)
  --seconds n    no round begins after this many seconds (default 1800)
  --clients n    that publish all the time (default 4)
  --settle n     seconds that events may take to be handled after the last round (default 120)`

/** Records every committed row of the outbox, in the same transaction. */
const noteCommitted = `create table committed (number bigint, id text, key text, text text);
  create function note() returns trigger language plpgsql as $$ begin
    insert into committed values (new.number, new.id, new.key, new.data::json ->> 'text'); return null; end $$;
  create trigger note after insert on events.outbox for each row execute function note()`
const effects = 'create table effects (number serial, key text, text text); create sequence tries'

/** How many events are published between two kills, at least: a busy machine would publish none. */
const eventsPerRound = 20

await command(usage, parseOptions, run)

interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly clients: number
  readonly settle: number
}

/** @throws Error of one sentence for an invalid flag */
function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '1800' },
      clients: { type: 'string', default: '4' },
      settle: { type: 'string', default: '120' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    rounds: count('--rounds', values.rounds),
    seconds: count('--seconds', values.seconds),
    clients: count('--clients', values.clients),
    settle: count('--settle', values.settle),
  }
}

/** A process to kill. While it starts again, the next one is killed. */
interface Target {
  readonly name: 'publisher' | 'consumer' | 'broker'
  kill(): Promise<void>
  /** Resolves when it works again. */
  start(): Promise<void>
  starting: Promise<void>
  kills: number
}

/**
 * Runs two emitted services: clients publish through one, and the other handles the events, while both and the broker get kill
 * -9.
 * @returns whether each committed event was handled once, in the order of its key, and no other was
 */
async function run(ctx: Context, options: Options): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'mainstem-events-'))
  const postgres = await startPostgres({ dir: join(directory, 'postgres'), persistent: false })
  const opened: pg.Client[] = []
  const running = new Map<string, { readonly end: () => Promise<unknown> }>()
  try {
    process.stderr.write('creating two services\r')
    const [billing, ledger] = [
      await emitService(ctx, directory, 'billing', [['publisher', 'invoice-paid']]),
      await emitService(ctx, directory, 'ledger', [['consumer', 'invoice-paid']]),
    ]
    const [publishing, consuming] = [await makeDatabase(postgres.url), await makeDatabase(postgres.url)]
    await migrateEmitted(ctx, billing, publishing.url)
    await migrateEmitted(ctx, ledger, consuming.url)
    const connect = async (url: string, setUp: string): Promise<pg.Client> => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      opened.push(client)
      await client.query(setUp)
      return client
    }
    const [sent, handled] = [
      await connect(publishing.url, noteCommitted),
      await connect(consuming.url, effects),
    ]

    const port = await freePort()
    const load: Load = { port: 0, keys: 24, answered: 0, rolledBack: 0, cutOff: 0 }
    const env = { BROKER_URL: `nats://127.0.0.1:${port}`, LOG_LEVEL: 'warn' }
    const start = async (name: string, folder: string, databaseUrl: string): Promise<Emitted> => {
      const uploads = join(directory, `${name}-uploads`)
      const own = { ...env, LOG_LEVEL: 'info', DATABASE_URL: databaseUrl, UPLOAD_DIR: uploads }
      const process = await startEmitted(ctx, folder, own)
      running.set(name, { end: () => process.end('SIGKILL') })
      return process
    }
    const kill = async (name: string): Promise<void> => {
      await running.get(name)?.end()
    }
    const targets: readonly Target[] = [
      {
        ...{ name: 'publisher', kills: 0, starting: Promise.resolve(), kill: () => kill('publisher') },
        async start() {
          load.port = (await start('publisher', billing, publishing.url)).port
        },
      },
      {
        ...{ name: 'consumer', kills: 0, starting: Promise.resolve(), kill: () => kill('consumer') },
        async start() {
          await start('consumer', ledger, consuming.url)
        },
      },
      {
        ...{ name: 'broker', kills: 0, starting: Promise.resolve(), kill: () => kill('broker') },
        async start() {
          const nats: Nats = await startNats(join(directory, 'nats'), port)
          running.set('broker', { end: () => nats.kill() })
        },
      },
    ]
    for (const target of targets.toReversed()) await target.start()

    using all = group(ctx)
    using over = withCancel(ctx)
    for (let n = 0; n < options.clients; n++) all.go((ctx) => publishAlways(ctx, over, load))
    const rounds = await killInTurn(ctx, options, targets, load, async () => backlog(sent, handled))
    over.cancel()
    await all.wait()
    await Promise.all(targets.map(({ starting }) => starting))
    const settleMs = await settle(ctx, options.settle * 1_000, async () => backlog(sent, handled))
    return print(targets, rounds, load, settleMs, await compare(sent, handled))
  } finally {
    for (const client of opened) await client.end()
    for (const one of running.values()) await one.end()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Kills the processes in turn, each at a random moment after some events. @returns the number of kills */
async function killInTurn(
  ctx: Context,
  { rounds, seconds }: Options,
  targets: readonly Target[],
  load: Load,
  look: () => Promise<number>,
): Promise<number> {
  const startedAt = performance.now()
  for (let round = 0; round < rounds; round++) {
    if (performance.now() - startedAt > seconds * 1_000) return round
    const target = targets[round % targets.length]
    if (target === undefined) throw new Error('there are three')
    await target.starting
    const before = load.answered
    await sleep(ctx, 50 + Math.random() * 400)
    while (load.answered < before + eventsPerRound) await sleep(ctx, 10)
    if (round % 10 === 0)
      process.stderr.write(`round ${round + 1} of ${rounds}, ${await look()} events behind    \r`)
    await target.kill()
    target.kills++
    target.starting = target.start()
  }
  return rounds
}

/** Committed events without an effect. */
async function backlog(sent: pg.Client, handled: pg.Client): Promise<number> {
  const countOf = async (client: pg.Client, table: string): Promise<number> =>
    Number((await client.query<{ n: string }>(`select count(*) as n from ${table}`)).rows[0]?.n)
  return (await countOf(sent, 'committed')) - (await countOf(handled, 'effects'))
}

/** Waits until there is no backlog, or for `ms`. @returns how long it took */
async function settle(ctx: Context, ms: number, look: () => Promise<number>): Promise<number> {
  const startedAt = performance.now()
  while (performance.now() - startedAt < ms && (await look()) > 0) await sleep(ctx, 100)
  return Math.round(performance.now() - startedAt)
}

interface Comparison {
  readonly committed: number
  readonly handled: number
  readonly lost: number
  readonly twice: number
  readonly rolledBack: number
  readonly keysOutOfOrder: number
}

interface Row {
  readonly key: string
  readonly text: string
}

async function compare(sent: pg.Client, handled: pg.Client): Promise<Comparison> {
  const [committed, done] = [
    (await sent.query<Row>('select key, text from committed order by number')).rows,
    (await handled.query<Row>('select key, text from effects order by number')).rows,
  ]
  const texts = new Set(done.map(({ text }) => text))
  const known = new Set(committed.map(({ text }) => text))
  const ofKey = (rows: readonly Row[], key: string): string =>
    rows.flatMap((row) => (row.key === key ? [row.text] : [])).join()
  const keys = new Set(committed.map(({ key }) => key))
  return {
    committed: committed.length,
    handled: texts.size,
    lost: committed.filter(({ text }) => !texts.has(text)).length,
    twice: done.length - texts.size,
    rolledBack: done.filter(({ text }) => !known.has(text)).length,
    keysOutOfOrder: [...keys].filter((key) => ofKey(committed, key) !== ofKey(done, key)).length,
  }
}

function print(
  targets: readonly Target[],
  rounds: number,
  load: Load,
  settleMs: number,
  found: Comparison,
): boolean {
  const kills = targets.map(({ name, kills }) => `${name} ${kills}`).join(', ')
  const rows: Verdict[] = [
    [`rounds of kill -9 (${kills})`, rounds, rounds > 0],
    ['requests: answered / rolled back / cut off', `${load.answered} / ${load.rolledBack} / ${load.cutOff}`],
    ['events committed', found.committed, found.committed >= rounds * eventsPerRound],
    ['of these, handled in effect', found.handled, found.handled === found.committed],
    ['lost', found.lost, found.lost === 0],
    ['handled twice', found.twice, found.twice === 0],
    ['handled, of transactions that were rolled back', found.rolledBack, found.rolledBack === 0],
    ['keys whose order was not kept', found.keysOutOfOrder, found.keysOutOfOrder === 0],
    ['milliseconds from the last round until all were handled', settleMs],
  ]
  console.log(verdictsTable(rows))
  return allHold(rows)
}
