import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { throwIfEnded } from '../../generator/ended.ts'
import { migrateDatabase } from '../../sample-service/scripts/postgres/databases.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { watch, type Watched } from './process-figures.ts'
import { send } from './send.ts'
import { startServer, type Server } from './server.ts'
import { subjects, type Subject } from './subjects.ts'
import { tableOf } from './table.ts'

/** What became of one subject. */
export interface Result {
  readonly subject: Subject
  /** Milliseconds of each round. */
  readonly times: number[]
  /** Milliseconds of its floor, just before or just after it. */
  readonly floors: number[]
  /** The process while the long file arrived. */
  long: Watched | undefined
}

interface Running {
  readonly server: Server
  readonly result: Result
}

/** Uploads to each before any is measured: the code is compiled, the process has its usual size. */
const warmUps = 3
/** A round begins no later than this, so that all of it takes less than four minutes. */
const lastRoundMs = 120_000

await command(usage, parseOptions, run)

/** Sends the same file to every subject and to its floor, one right after the other, round after round; then one long file to each, with its memory watched. */
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
      // Each has another predecessor every time: what that left the disk to do is not always the same one's burden.
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

/** Has the disk done with what was written before: else it is the next one's burden. */
async function settleDisk(directory: string): Promise<void> {
  if (process.platform === 'linux') await promisify(execFile)('sync', ['--file-system', directory])
}

function rotated<T>(all: readonly T[], by: number): T[] {
  const first = by % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}
