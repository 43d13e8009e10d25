import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { migrateDatabase } from '../../sample-service/scripts/postgres/migrations.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { allHold, command, count, verdictsTable, type Verdict } from '../../bench/support/command.ts'
import { hashOf, idsOf, takeInventory, upload, type Inventory } from '../../bench/support/documents.ts'
import { buildSample, startInstance, type Instance } from '../../bench/support/instance.ts'

const usage = `npm run crash -- [options]

  --rounds n     times that an instance is killed in the middle of uploads (default 200)
  --seconds n    no round begins after this many seconds (default 240)
  --clients n    that upload to the instance (default 4)`

/** Small, so that a sweep a few rounds later may remove the leftovers of a round. */
const uploadTimeoutMs = 5_000
/** Uploads to the surviving instance take much of their deadline. */
const slowMs = 2_000
const mostBytes = 1_000_000

interface Seen {
  readonly acknowledged: Map<string, string>
  rounds: number
  /** Uploads that the kill cut off, or that went to an ended process. */
  cutOff: number
  swept: number
  neighbour: number
  neighbourFailed: number
}

await command(usage, parseOptions, run)

interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly clients: number
}

/** @throws Error of one sentence for an invalid flag */
function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '240' },
      clients: { type: 'string', default: '4' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    rounds: count('--rounds', values.rounds),
    seconds: count('--seconds', values.seconds),
    clients: count('--clients', values.clients),
  }
}

/**
 * Repeatedly kills an instance during uploads, next to another instance on the same storage that is never killed, and checks
 * every acknowledged upload. @returns whether it found no fault
 */
async function run(ctx: Context, options: Options): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'mainstem-crash-'))
  // Not persistent: Postgres does not sync its data, which makes no difference, because only the service is killed.
  const postgres = await startPostgres({ dir: join(directory, 'postgres'), persistent: false })
  const uploads = await mkdtemp(join(directory, 'uploads-'))
  const running: Instance[] = []
  const seen: Seen = {
    ...{ acknowledged: new Map(), rounds: 0, cutOff: 0, swept: 0, neighbour: 0, neighbourFailed: 0 },
  }
  try {
    await buildSample(ctx)
    await migrateDatabase(postgres.url)
    const env = {
      DATABASE_URL: postgres.url,
      UPLOAD_DIR: uploads,
      UPLOAD_TIMEOUT_MS: String(uploadTimeoutMs),
    }
    const start = async (): Promise<Instance> => {
      const instance = await startInstance(ctx, env)
      running.push(instance)
      const swept = instance.log.find(({ msg }) => msg.startsWith('removed what cut-off uploads'))
      seen.swept += Number(swept?.['removed'] ?? 0)
      return instance
    }
    const neighbour = await start()
    using all = group(ctx)
    using over = withCancel(ctx)
    all.go((ctx) => keepUploading(ctx, over, neighbour, seen))

    const startedAt = performance.now()
    let rowsWithoutFile = 0
    // Keyed by id, because each check finds a lost upload again.
    const lost = new Set<string>()
    const look = async (): Promise<Inventory> => {
      const inventory = await takeInventory(postgres.url, uploads, seen.acknowledged)
      for (const id of inventory.lost) {
        if (!lost.has(id)) console.error(`lost in round ${seen.rounds}: ${id}`)
        lost.add(id)
      }
      rowsWithoutFile = Math.max(rowsWithoutFile, inventory.rowsWithoutFile)
      return inventory
    }
    for (let round = 0; round < options.rounds; round++) {
      if (performance.now() - startedAt > options.seconds * 1_000) break
      process.stderr.write(`round ${round + 1} of ${options.rounds}\r`)
      const instance = await start()
      await crash(ctx, instance, options.clients, seen)
      running.splice(running.indexOf(instance), 1)
      seen.rounds++
      if (round % 20 === 19) await look()
    }
    over.cancel()
    await all.wait()
    const left = await look()
    await sleep(ctx, 2 * uploadTimeoutMs + 500)
    await start()
    const end = await look()
    const rows: Verdict[] = [
      [`rounds: kill -9 in the middle of uploads`, seen.rounds, seen.rounds > 0],
      ['uploads acknowledged', seen.acknowledged.size, seen.acknowledged.size > 0],
      ['of these, lost (row, file or bytes)', lost.size, lost.size === 0],
      ['of these, missing at the end', end.lost.length, end.lost.length === 0],
      ['rows at the end', end.rows],
      ['rows without their file, or with other bytes in it', rowsWithoutFile, rowsWithoutFile === 0],
      ['uploads that a kill cut off', seen.cutOff, seen.cutOff > 0],
      ['leftovers swept by the starts', seen.swept, seen.swept > 0],
      ['leftovers before the last start', left.leftovers],
      ['leftovers after it', end.leftovers, end.leftovers === 0],
      [
        `uploads of ${slowMs} ms to the instance beside it, on the same storage`,
        seen.neighbour,
        seen.neighbour > 0,
      ],
      ['of these, failed', seen.neighbourFailed, seen.neighbourFailed === 0],
    ]
    console.log(verdictsTable(rows))
    return allHold(rows)
  } finally {
    for (const instance of running) await instance[Symbol.asyncDispose]()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Uploads until the process is killed, which happens at a random moment after its first acknowledgement. */
async function crash(ctx: Context, instance: Instance, count: number, seen: Seen): Promise<void> {
  let gone = false
  const isGone = (): boolean => gone
  let first: (() => void) | undefined
  const acknowledged = new Promise<void>((resolve) => (first = resolve))
  using clients = group(ctx)
  for (let n = 0; n < count; n++) {
    clients.go(async (ctx) => {
      while (!isGone()) {
        const bytes = randomBytes(1 + Math.floor(Math.random() * mostBytes))
        const answer = await upload(ctx, false, instance.port, bytes)
        if (answer.status === 201) {
          for (const id of idsOf(answer)) seen.acknowledged.set(id, hashOf(bytes))
          first?.()
        } else if (isGone()) seen.cutOff++
        else throw new Error(`an upload was answered ${answer.status}: ${answer.body}`)
      }
    })
  }
  await Promise.race([acknowledged, clients.wait()])
  await sleep(ctx, Math.random() * 150)
  gone = true
  await instance.end('SIGKILL')
  await clients.wait()
}

/** Sends slow uploads, a few at a time, to the surviving instance until `over` ends: sweeps of others must not remove them. */
async function keepUploading(ctx: Context, over: Context, instance: Instance, seen: Seen): Promise<void> {
  using clients = group(ctx)
  for (let n = 0; n < 3; n++) {
    clients.go(async (ctx) => {
      while (over.err === undefined) {
        const bytes = randomBytes(600_000)
        const answer = await upload(ctx, false, instance.port, bytes, slowMs)
        seen.neighbour++
        if (answer.status === 201) {
          for (const id of idsOf(answer)) seen.acknowledged.set(id, hashOf(bytes))
        } else {
          seen.neighbourFailed++
          console.error(`the instance beside it answered ${answer.status}: ${answer.body}`)
        }
      }
    })
  }
  await clients.wait()
}
