import { propagation, ROOT_CONTEXT, SpanKind, trace, type Attributes } from '@opentelemetry/api'
import {
  cause,
  contextName,
  withCancel,
  withDeadline,
  withTimeout,
  withValue,
  type Context,
} from '../../context/context.ts'
import { causeName } from '../causes.ts'
import { msSince } from '../lifecycle/closers.ts'
import { Envelope, type Job } from './jobs.ts'
import type { Log } from '../telemetry/log.ts'
import { durationBuckets, histogram, oncePerProvider } from '../telemetry/metrics.ts'
import { span } from '../telemetry/span.ts'

/** One run of a job. */
export interface Run {
  readonly name: string
  /** The id of the job: the same in each of its runs. */
  readonly id: string
  /** The number of this run, and the most runs of the job. */
  readonly attempt: number
  readonly maxAttempts: number
  /** Of performance.now(). */
  readonly startedAt: number
}

/** How a run ended. A failed job runs again unless this was the last attempt; a job that was given back always runs again. */
type JobResult = 'done' | 'failed' | 'given back' | 'too late'

/** One line for the log about a run that does not end. */
export function describeRun({ name, id, startedAt }: Run): string {
  return `job ${name} (${id}, for ${msSince(startedAt)} ms)`
}

/**
 * Executes a job under its own context, in its own trace, which links to the trace that enqueued it, and logs its outcome on one
 * line. Resolves when the job is done, or when it is too late: past the deadline of the caller that enqueued it.
 * @throws what the handler throws: the job must then run again
 */
export async function executeJob(
  parent: Context,
  log: Log,
  job: Job,
  run: Run,
  payload: unknown,
): Promise<void> {
  const { input, deadline = Infinity, trace: carrier, _cron } = Envelope.parse(payload)
  const enqueuedIn = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, carrier))
  using timed = withTimeout(withValue(parent, contextName, `job ${job.name}`), job.timeoutMs)
  using ctx = deadline === Infinity ? withCancel(timed) : withDeadline(timed, deadline)
  const options = {
    kind: SpanKind.CONSUMER,
    attributes: { 'messaging.message.id': run.id, 'job.attempt': run.attempt, ...attributesOf(run) },
    links: enqueuedIn === undefined ? [] : [{ context: enqueuedIn }],
  }
  const isLate = (): boolean => deadline <= Date.now()
  await span(ctx, `process ${job.name}`, options, async (ctx) => {
    const enqueued = enqueuedIn === undefined ? {} : { enqueuedIn: enqueuedIn.traceId }
    try {
      if (isLate()) throw cause(ctx)
      await job.execute(ctx, _cron?.ts ?? input)
      report(ctx, log, run, 'done', enqueued)
    } catch (err) {
      const result = isLate() ? 'too late' : parent.err === undefined ? 'failed' : 'given back'
      report(ctx, log, run, result, { ...enqueued, err })
      if (result !== 'too late') throw err
    }
  })
}

// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
const duration = oncePerProvider(() =>
  histogram(
    'messaging.process.duration',
    // The same name as for events: the SDK keeps one instrument of each name.
    'Duration of a run of a job, or of an attempt to handle an event.',
    [...durationBuckets, 60, 600],
  ),
)

/** Writes the result to the log and the metrics. */
function report(
  ctx: Context,
  log: Log,
  run: Run,
  result: JobResult,
  { err, ...more }: { err?: unknown; enqueuedIn?: string },
): void {
  const seconds = (performance.now() - run.startedAt) / 1_000
  const ended = causeName(ctx)
  const fields = {
    job: run.name,
    jobId: run.id,
    attempt: run.attempt,
    maxAttempts: run.maxAttempts,
    outcome: result,
    durationMs: Math.round(seconds * 1e6) / 1e3,
    ...more,
    ...(ended !== undefined && { cause: ended }),
    ...(result === 'failed' && { err }),
  }
  if (result === 'failed') log[run.attempt < run.maxAttempts ? 'warn' : 'error'](ctx, 'job', fields)
  else log.info(ctx, 'job', fields)
  const failure = err instanceof Error ? err.name : '_OTHER'
  const attributes: Attributes = attributesOf(run)
  if (result !== 'done') attributes['error.type'] = ended ?? failure
  duration().record(seconds, attributes)
}

function attributesOf({ name }: Run): Record<string, string> {
  return {
    'messaging.system.name': 'graphile_worker',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': name,
  }
}
