import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { percentile } from '../support/statistics.ts'
import { capacity, task, type Client, type Subject } from './catalogue.ts'
import { runLoad, type Answer } from './load.ts'
import type { Options } from './options.ts'

/** A load for a subject. */
export interface Load {
  readonly deadlineMs: number
  /** Requests a second, as a multiple of the capacity. */
  readonly factor: number
  readonly client: Client
}

/** One measurement. */
export interface Round {
  /** Requests answered with 200 within their deadline, a second: in all of the load, and in its second half. */
  readonly perSecond: number
  readonly secondHalf: number
  /** Milliseconds from request to answer of those; NaN if there are none. */
  readonly p50: number
  readonly p99: number
  /** Milliseconds that the other answers took, at the 99th percentile. */
  readonly refusalP99: number
  /** How many of the others had each status. */
  readonly others: ReadonlyMap<string, number>
  /** Processor milliseconds of the server, by request of the whole load, refused ones too. */
  readonly processorMs: number
  /** Bytes at the end of the load, and how much of that its second half added. */
  readonly memory: number
  readonly grown: number
  /** Seconds after the end of the load until nine of ten requests of half the capacity were answered; NaN if they never were. */
  readonly recoveryS: number
  /** The number of 200s in each second. */
  readonly timeline: readonly number[]
}

export interface Result {
  readonly subject: Subject
  readonly load: Load
  round?: Round
  missing?: string
}

/** The load that follows, as a share of the capacity, and its length. */
const after = { factor: 0.5, ms: 5_000 } as const

/** How long the statements of a killed server take to end in Postgres. */
const settleMs = task.querySeconds * 1_000 + 200

/** Measures each subject under each load, each time as a new process. */
export async function runAll(ctx: Context, databaseUrl: string, options: Options): Promise<Result[]> {
  const results: Result[] = options.deadlines.flatMap((deadlineMs) =>
    options.factors.flatMap((factor) =>
      options.clients.flatMap((client) =>
        options.subjects.map((subject) => ({ subject, load: { deadlineMs, factor, client } })),
      ),
    ),
  )
  for (const result of results) {
    const { subject, load } = result
    process.stderr.write(`${subject.name}: ${load.factor} ×, ${load.deadlineMs} ms, ${load.client}\n`)
    try {
      result.round = await measure(ctx, databaseUrl, subject, load, options.seconds * 1_000)
    } catch (error) {
      throwIfEnded(ctx)
      result.missing = error instanceof Error ? error.message : String(error)
    }
    await sleep(ctx, settleMs)
  }
  return results
}

async function measure(
  ctx: Context,
  databaseUrl: string,
  subject: Subject,
  { deadlineMs, factor, client: kind }: Load,
  ms: number,
): Promise<Round> {
  const started = await subject.start(deadlineMs)(ctx, databaseUrl, task)
  if ('missing' in started) throw new Error(started.missing)
  await using server = started
  const client = { kind, deadlineMs }
  // Warms up, because before its first request a service has no connection, and this bench does not measure a deploy.
  await runLoad(ctx, server.url, [{ perSecond: capacity / 2, ms: 1_000 }], client)
  const memories: number[] = []
  const processorBefore = (await server.processorMs()) ?? NaN
  const timers = [ms / 2, ms].map((at) =>
    setTimeout(() => void server.memory().then((bytes) => memories.push(bytes ?? NaN)), at),
  )
  const phases = [
    { perSecond: capacity * factor, ms },
    { perSecond: capacity * after.factor, ms: after.ms },
  ]
  try {
    const answers = await runLoad(ctx, server.url, phases, client)
    const processorMs = (((await server.processorMs()) ?? NaN) - processorBefore) / answers.length
    return { ...summary(answers, ms, memories), processorMs }
  } finally {
    timers.forEach(clearTimeout)
  }
}

function summary(
  answers: readonly Answer[],
  ms: number,
  [middle = NaN, end = NaN]: number[],
): Omit<Round, 'processorMs'> {
  const during = answers.filter(({ atMs }) => atMs < ms)
  const good = during.filter(({ status }) => status === '200')
  const bad = during.filter(({ status }) => status !== '200')
  const others = new Map<string, number>()
  for (const { status } of bad) others.set(status, (others.get(status) ?? 0) + 1)
  const counted = (from: number, to: number): number =>
    answers.filter(({ status, atMs }) => status === '200' && atMs >= from && atMs < to).length
  return {
    perSecond: (good.length * 1_000) / ms,
    secondHalf: (good.filter(({ atMs }) => atMs >= ms / 2).length * 2_000) / ms,
    p50: percentile(tookMs(good), 0.5),
    p99: percentile(tookMs(good), 0.99),
    refusalP99: percentile(tookMs(bad), 0.99),
    others,
    memory: end,
    grown: end - middle,
    recoveryS: recovery(answers, ms),
    timeline: Array.from({ length: Math.ceil((ms + after.ms) / 1_000) }, (_, s) =>
      counted(s * 1_000, (s + 1) * 1_000),
    ),
  }
}

/** When the first second begins in which at least nine of ten requests sent after the load were answered with 200. */
function recovery(answers: readonly Answer[], ms: number): number {
  const asked = answers.filter(({ atMs, tookMs }) => atMs - tookMs >= ms)
  for (let from = 0; from + 1_000 <= after.ms; from += 100) {
    const window = asked.filter(({ atMs, tookMs }) => {
      const askedAt = atMs - tookMs - ms
      return askedAt >= from && askedAt < from + 1_000
    })
    const good = window.filter(({ status }) => status === '200').length
    if (window.length > 0 && good >= 0.9 * window.length) return from / 1_000
  }
  return NaN
}

function tookMs(answers: readonly Answer[]): number[] {
  return answers.map(({ tookMs }) => tookMs)
}
