import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { throwIfEnded } from '../../generator/ended.ts'
import { migrateDatabase } from '../../sample-service/scripts/postgres/migrations.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { watch, type Watched } from './process-figures.ts'
import { send } from './send.ts'
import { startServer, type Server } from './server.ts'
import { subjects, type Subject } from './subjects.ts'
import { tableOf } from './table.ts'

/** The result of one subject. */
export interface Result {
  readonly subject: Subject
  /** Milliseconds of each round. */
  readonly times: number[]
  /** Milliseconds of its floor, just before or just after it. */
  readonly floors: number[]
  /** Figures of its process while the long file arrived. */
  long: Watched | undefined
}

interface Running {
  readonly server: Server
  readonly result: Result
}

/** Uploads to each before the first measurement, so that code is compiled and the process has its usual size. */
const warmUps = 3
/** A round begins no later than this, so that all of it takes less than four minutes. */
const lastRoundMs = 120_000

await command(usage, parseOptions, run)

/**
 * In each round sends the same file to every subject and right after that to its floor; then sends one long file to
 * each and watches its memory.
 */
async function run(ctx: Context, options: Options): Promise<void> {
  const directory = await mkdtemp(join(options.directory, 'mainstem-bench-upload-'))
  const postgres = await startPostgres({ dir: join(directory, 'postgres'), persistent: false })
  const running: Running[] = []
  try {
    await migrateDatabase(postgres.url)
    for (const subject of subjects) {
      const place = await mkdtemp(join(directory, 'bytes-'))
      const server = await startServer(ctx, subject, place, postgres.url)
      running.push({ server, result: { subject, times: [], floors: [], long: undefined } })
      for (let i = 0; i < warmUps; i++) await send(ctx, subject, server, options.bytes / 4)
    }
    console.log(`${machine()}, Node ${process.version}`)
    const before = loadAverage()
    const start = performance.now()
    for (let round = 0; round < options.rounds && performance.now() - start < lastRoundMs; round++) {
      // In each round a subject has another predecessor, so that no subject is always slowed by the disk work of the same one.
      for (const { server, result } of rotated(running, round)) {
        throwIfEnded(ctx)
        const measure = async ({ server, result }: Running): Promise<number> => {
          await settleDisk(options.directory)
          return send(ctx, result.subject, server, options.bytes)
        }
        const floor = running.find(({ result: { subject } }) => subject.name === result.subject.floor)
        const before = round % 2 === 0
        if (floor !== undefined && before) result.floors.push(await measure(floor))
        result.times.push(await measure({ server, result }))
        if (floor !== undefined && !before) result.floors.push(await measure(floor))
      }
    }
    for (const { server, result } of running) {
      result.long = await watch(server.pid, () => send(ctx, result.subject, server, options.longBytes))
    }
    const results = running.map(({ result }) => result)
    const load = `load average ${before} before, ${loadAverage()} after`
    console.log(`Written below ${options.directory}; ${load}.\n\n${tableOf(results, options)}`)
  } finally {
    for (const { server } of running) await server.kill()
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Syncs earlier writes, which would otherwise slow the next subject. */
async function settleDisk(directory: string): Promise<void> {
  if (process.platform === 'linux') await promisify(execFile)('sync', ['--file-system', directory])
}

function rotated<T>(all: readonly T[], by: number): T[] {
  const first = by % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}
