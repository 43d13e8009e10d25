import { propagation, ROOT_CONTEXT } from '@opentelemetry/api'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../../context/context.ts'
import type { Queries } from '../database/queries.ts'
import { otelKey } from '../telemetry/span.ts'

/** What is said of a job whoever runs it. */
export interface JobOptions {
  /** What the database knows it by. One that jobs wait under must not be changed. */
  readonly name: string
  /** Milliseconds that a run may take, three hours at most. */
  readonly timeoutMs: number
  /** How often it is run until it is given up; 25 if not given, which takes about three days. */
  readonly maxAttempts?: number
}

/** A kind of job that is enqueued. */
export interface JobKind<Input extends z.ZodType> extends JobOptions {
  /** What it is given. JSON, for it waits in the database. */
  readonly input: Input
}

/** What runs by itself. */
export interface ScheduleOptions extends JobOptions {
  /** Minute, hour, day of the month, month, day of the week, in UTC. */
  readonly cron: string
}

/** A job as the worker runs it. */
export interface Job extends JobOptions {
  readonly maxAttempts: number
  readonly cron?: string
  /** @throws what the handler throws, or a ZodError if `input` is not what the handler takes */
  run(ctx: Context, input: unknown): Promise<void>
}

export interface EnqueueOptions {
  /** Not before this time. */
  readonly runAt?: Date
  /** `inherit`: whoever enqueues it has no use for it after the deadline of ctx. None if not given. */
  readonly deadline?: 'inherit'
}

/** Longer, and graphile-worker takes it for lost. */
const longestMs = 3 * 3_600_000
const defaultAttempts = 25

/** How a job waits in the database. What is none of these holds no input, which its handler will refuse. */
export const Envelope = z
  .object({
    input: z.unknown().optional(),
    /** Epoch milliseconds. */
    deadline: z.number().optional(),
    /** Who enqueued it, told as in the headers of a request: `traceparent`. */
    trace: z.record(z.string(), z.string()).default({}),
    /** In place of all these, where it is a schedule's. */
    _cron: z.object({ ts: z.string() }).optional(),
  })
  .catch({ input: undefined, trace: {} })

/**
 * Enqueues a job with what `q` does: inside a transaction it is there when that is committed, and never was when that is
 * rolled back. Its run links to the trace of ctx.
 * @returns its id
 * @throws ZodError if `input`, read back from JSON, is not what the job takes
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

/** What the worker runs for each job of this kind that was enqueued. */
export function job<Input extends z.ZodType>(
  kind: JobKind<Input>,
  handle: (ctx: Context, input: z.output<Input>) => Promise<void>,
): Job {
  const { name, timeoutMs, maxAttempts = defaultAttempts } = checked(kind)
  return { name, timeoutMs, maxAttempts, run: async (ctx, input) => handle(ctx, kind.input.parse(input)) }
}

/** What the worker runs by the clock. `handle` is told the minute that it was due. */
export function schedule(
  options: ScheduleOptions,
  handle: (ctx: Context, dueAt: Date) => Promise<void>,
): Job {
  const { name, cron, timeoutMs, maxAttempts = defaultAttempts } = checked(options)
  const run: Job['run'] = async (ctx, dueAt) => handle(ctx, z.coerce.date().parse(dueAt))
  return { name, cron, timeoutMs, maxAttempts, run }
}

function checked<T extends JobOptions>(options: T): T {
  const { name, timeoutMs } = options
  if (!(timeoutMs > 0 && timeoutMs <= longestMs))
    throw new RangeError(`the job ${name}: expected a timeoutMs of at most ${longestMs}, got ${timeoutMs}`)
  return options
}
