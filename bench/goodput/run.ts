import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { percentile } from '../support/statistics.ts'
import { task, type Load, type Subject } from './catalogue.ts'
import { runLoad, type Answers } from './load.ts'
import type { Options } from './options.ts'
import type { Server } from './server.ts'

/** One measurement of one subject under one load. */
export interface Round {
  /** Completed answers to patient clients a second: in all of the load, and in its second half. */
  readonly perSecond: number
  readonly secondHalf: number
  /** Milliseconds that completed answers took; NaN if there are none. */
  readonly p50: number
  readonly p99: number
  readonly bad: ReadonlyMap<string, number>
  readonly waiting: number
  readonly queue: number
  /** Bytes. */
  readonly memory: number | undefined
  /** Completed answers in each second. */
  readonly timeline: readonly number[]
}

/** The result of one subject: its rounds, or why there is none. */
export interface Result {
  readonly subject: Subject
  readonly load: Load
  readonly rounds: Round[]
  missing?: string
}

/** How long the statements of a killed server take to end in Postgres. */
const settleMs = task.querySeconds * 1_000 + 200

/** Measures each subject under each load once a round, each time as a new process. */
export async function runAll(ctx: Context, databaseUrl: string, options: Options): Promise<Result[]> {
  const { loads, subjects, rounds, seconds } = options
  const results: Result[] = loads.flatMap((load) =>
    subjects.map((subject) => ({ subject, load, rounds: [] })),
  )
  for (let round = 1; round <= rounds; round++) {
    for (const result of results) {
      if (result.missing !== undefined) continue
      const { subject, load } = result
      process.stderr.write(`round ${round} of ${rounds}: ${load.name}, ${subject.name}\n`)
      try {
        result.rounds.push(await measure(ctx, databaseUrl, subject, load, seconds * 1_000))
      } catch (error) {
        throwIfEnded(ctx)
        result.missing = error instanceof Error ? error.message : String(error)
      }
      await sleep(ctx, settleMs)
    }
  }
  return results
}

async function measure(
  ctx: Context,
  databaseUrl: string,
  subject: Subject,
  load: Load,
  ms: number,
): Promise<Round> {
  const start = load.documents ? subject.startDocuments : subject.start
  if (start === undefined) throw new Error('it has no documents')
  const started = await start(ctx, databaseUrl, task)
  if ('missing' in started) throw new Error(started.missing)
  await using server: Server = started
  const answers = await runLoad(ctx, server.url, load, ms)
  // A server that is busy with abandoned work may answer this late.
  const queue = await server.queue().catch(() => NaN)
  return { ...summary(answers, ms), queue, memory: await server.memory() }
}

function summary({ good, bad, waiting }: Answers, ms: number): Omit<Round, 'queue' | 'memory'> {
  const took = good.map(({ tookMs }) => tookMs)
  const timeline = Array.from({ length: Math.ceil(ms / 1_000) }, (_, second) => {
    return good.filter(({ atMs }) => Math.floor(atMs / 1_000) === second).length
  })
  return {
    perSecond: (good.length * 1_000) / ms,
    secondHalf: (good.filter(({ atMs }) => atMs >= ms / 2).length * 2_000) / ms,
    p50: percentile(took, 0.5),
    p99: percentile(took, 0.99),
    bad,
    waiting,
    timeline,
  }
}
