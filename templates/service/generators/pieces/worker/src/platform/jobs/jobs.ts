import { propagation, ROOT_CONTEXT } from '@opentelemetry/api'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../../context/context.ts'
import type { Queries } from '../database/queries.ts'
import { otelKey } from '../telemetry/span.ts'

/** The options of jobs and schedules. */
export interface JobOptions {
  /** Its name in the database. Do not change it while jobs with this name wait. */
  readonly name: string
  /** How long one run may take, in milliseconds; three hours at most. */
  readonly timeoutMs: number
  /** How often a failing job runs before the worker gives it up. Default: 25, which takes about three days. */
  readonly maxAttempts?: number
}

/** A kind of job that can be enqueued. */
export interface JobKind<Input extends z.ZodType> extends JobOptions {
  /** The schema of its input, which is JSON because it waits in the database. */
  readonly input: Input
}

/** A job that the clock starts. */
export interface ScheduleOptions extends JobOptions {
  /** Minute, hour, day of the month, month, day of the week, in UTC. */
  readonly cron: string
}

/** A job as the worker runs it. */
export interface Job extends JobOptions {
  readonly maxAttempts: number
  readonly cron?: string
  /** @throws what the handler throws, or a ZodError if `input` does not match the schema */
  execute(ctx: Context, input: unknown): Promise<void>
}

export interface EnqueueOptions {
  /** The earliest time of the run. */
  readonly runAt?: Date
  /** `inherit`: the job is useless after the deadline of ctx. Default: no deadline. */
  readonly deadline?: 'inherit'
}

/** graphile-worker gives up a job that runs for longer. */
const longestMs = 3 * 3_600_000
const defaultAttempts = 25

/** The form of a job in the database. Any other value counts as a job without input, which its handler refuses. */
export const Envelope = z
  .object({
    input: z.unknown().optional(),
    /** Epoch milliseconds. */
    deadline: z.number().optional(),
    /** The trace that enqueued it, in the form of a request's headers: `traceparent`. */
    trace: z.record(z.string(), z.string()).default({}),
    /** A schedule has only this property. */
    _cron: z.object({ ts: z.string() }).optional(),
  })
  .catch({ input: undefined, trace: {} })

/**
 * Enqueues a job with `q`: inside a transaction, the job exists only if the transaction commits. The job's trace links to that of
 * ctx.
 * @returns its id
 * @throws ZodError if `input`, read back from JSON, does not match the schema
 */
export async function enqueue<Input extends z.ZodType>(
  ctx: Context,
  q: Queries,
  kind: JobKind<Input>,
  input: z.input<Input>,
  options: EnqueueOptions = {},
): Promise<string> {
  const { name, maxAttempts = defaultAttempts } = kind
  const stored: unknown = JSON.parse(JSON.stringify(input))
  kind.input.parse(stored)
  const trace: Record<string, string> = {}
  propagation.inject(ctx.value(otelKey) ?? ROOT_CONTEXT, trace)
  const deadline = options.deadline === 'inherit' ? ctx.deadline : undefined
  const payload = JSON.stringify({ input: stored, deadline, trace } satisfies z.input<typeof Envelope>)
  const runAt = options.runAt?.toISOString() ?? null
  const { rows } = await q.execute<{ id: string }>(
    sql`select id from graphile_worker.add_job(${name}, ${payload}::json,
      run_at => ${runAt}::timestamptz, max_attempts => ${maxAttempts}::int)`,
  )
  return String(rows[0]?.id)
}

/** Makes the job that the worker runs for each enqueued job of this kind. */
export function job<Input extends z.ZodType>(
  kind: JobKind<Input>,
  handle: (ctx: Context, input: z.output<Input>) => Promise<void>,
): Job {
  const { name, timeoutMs, maxAttempts = defaultAttempts } = checked(kind)
  return { name, timeoutMs, maxAttempts, execute: async (ctx, input) => handle(ctx, kind.input.parse(input)) }
}

/** Makes the job that the worker runs on a schedule. `handle` gets the minute at which the run was due. */
export function schedule(
  options: ScheduleOptions,
  handle: (ctx: Context, dueAt: Date) => Promise<void>,
): Job {
  const { name, cron, timeoutMs, maxAttempts = defaultAttempts } = checked(options)
  const execute: Job['execute'] = async (ctx, dueAt) => handle(ctx, z.coerce.date().parse(dueAt))
  return { name, cron, timeoutMs, maxAttempts, execute }
}

function checked<T extends JobOptions>(options: T): T {
  const { name, timeoutMs } = options
  if (!(timeoutMs > 0 && timeoutMs <= longestMs))
    throw new RangeError(`the job ${name}: expected a timeoutMs of at most ${longestMs}, got ${timeoutMs}`)
  return options
}
