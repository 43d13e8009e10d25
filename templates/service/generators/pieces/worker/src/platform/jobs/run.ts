import { metrics, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
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
import { durationBuckets } from '../telemetry/metrics.ts'
import { span } from '../telemetry/span.ts'

/** One run of a job. */
export interface Run {
  readonly name: string
  /** The job's: the same in each run of it. */
  readonly id: string
  /** Which run of the job this is, and how many there are at most. */
  readonly attempt: number
  readonly maxAttempts: number
  /** Of performance.now(). */
  readonly startedAt: number
}

/** How a run ended. A job that was given back is run again, one that failed too unless it was the last attempt. */
type Outcome = 'done' | 'failed' | 'given back' | 'too late'

/** One line about a run that would not end. */
export function describeRun({ name, id, startedAt }: Run): string {
  return `job ${name} (${id}, for ${msSince(startedAt)} ms)`
}

/**
 * Runs a job under a context of its own, in a trace of its own that links to the one in which it was enqueued. A line of the
 * log says how it ended. Resolves when it is done, or too late: past the deadline of whoever enqueued it.
 * @throws what the handler throws: then it is to be run again
 */
export async function runJob(parent: Context, log: Log, job: Job, run: Run, payload: unknown): Promise<void> {
  const { input, deadline = Infinity, trace: carrier, _cron } = Envelope.parse(payload)
  const enqueuedIn = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, carrier))
  using timed = withTimeout(withValue(parent, contextName, `job ${job.name}`), job.timeoutMs)
  using ctx = deadline === Infinity ? withCancel(timed) : withDeadline(timed, deadline)
  const options = {
    kind: SpanKind.CONSUMER,
    attributes: { ...attributesOf(run), 'messaging.message.id': run.id, 'job.attempt': run.attempt },
    links: enqueuedIn === undefined ? [] : [{ context: enqueuedIn }],
  }
  const isLate = (): boolean => deadline <= Date.now()
  await span(ctx, `process ${job.name}`, options, async (ctx) => {
    const enqueued = enqueuedIn === undefined ? {} : { enqueuedIn: enqueuedIn.traceId }
    try {
      if (isLate()) throw cause(ctx)
      await job.run(ctx, _cron?.ts ?? input)
      report(ctx, log, run, 'done', enqueued)
    } catch (err) {
      const outcome = isLate() ? 'too late' : parent.err === undefined ? 'failed' : 'given back'
      report(ctx, log, run, outcome, { ...enqueued, err })
      if (outcome !== 'too late') throw err
    }
  })
}

/** In the log and in the metrics. */
function report(
  ctx: Context,
  log: Log,
  run: Run,
  outcome: Outcome,
  { err, ...more }: { err?: unknown; enqueuedIn?: string },
): void {
  const seconds = (performance.now() - run.startedAt) / 1_000
  const ended = causeName(ctx)
  const fields = {
    job: run.name,
    jobId: run.id,
    attempt: run.attempt,
    maxAttempts: run.maxAttempts,
    outcome,
    durationMs: Math.round(seconds * 1e6) / 1e3,
    ...more,
    ...(ended !== undefined && { cause: ended }),
    ...(outcome === 'failed' && { err }),
  }
  if (outcome === 'failed') log[run.attempt < run.maxAttempts ? 'warn' : 'error'](ctx, 'job', fields)
  else log.info(ctx, 'job', fields)
  const failure = err instanceof Error ? err.name : '_OTHER'
  // https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
  metrics
    .getMeter('mainstem-service')
    .createHistogram('messaging.process.duration', {
      description: 'Duration of a run of a job.',
      unit: 's',
      advice: { explicitBucketBoundaries: [...durationBuckets, 60, 600] },
    })
    .record(seconds, { ...attributesOf(run), ...(outcome !== 'done' && { 'error.type': ended ?? failure }) })
}

function attributesOf({ name }: Run): Record<string, string> {
  return {
    'messaging.system': 'graphile_worker',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': name,
  }
}
