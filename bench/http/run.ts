import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import type { Generator, Load, Sent } from './load.ts'
import { startServer, type ServerOptions, type ServerProcess } from './process.ts'

/** A server to start, and the request to send. */
export interface Served extends Sent, ServerOptions {
  readonly program: string
  readonly args: readonly string[]
}

/** One measurement of a server. */
export interface Sample extends Load {
  /** Microseconds of processor time for each request; NaN if the system cannot tell. */
  readonly cpuUs: number
}

export interface Measured {
  readonly samples: readonly Sample[]
  /** Megabytes at the end. */
  readonly residentMb: number | undefined
}

/** A subject and the reference, measured in turn; or why they could not be. */
export type Pair = { readonly subject: Measured; readonly reference: Measured } | { readonly missing: string }

/** By then the compiler has finished, on slow and fast machines. */
const warmUpRequests = 20_000
const warmUpSeconds = 8

/**
 * Starts both servers and loads them in turn, `rounds` times each, so that other work of the machine and a slower processor
 * affect both alike. Each pair has its own processes.
 */
export async function measurePair(
  ctx: Context,
  subject: Served,
  reference: Served,
  load: Generator,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Pair> {
  try {
    await using ours = await startServer(ctx, subject.program, subject.args, subject)
    await using theirs = await startServer(ctx, reference.program, reference.args, reference)
    await warmUp(ctx, ours, load, subject)
    await warmUp(ctx, theirs, load, reference)
    const samples = { subject: [] as Sample[], reference: [] as Sample[] }
    for (let round = 0; round < rounds; round++) {
      samples.reference.push(await measure(ctx, theirs, load, seconds, reference))
      samples.subject.push(await measure(ctx, ours, load, seconds, subject))
    }
    return {
      subject: { samples: samples.subject, residentMb: ours.residentMb() },
      reference: { samples: samples.reference, residentMb: theirs.residentMb() },
    }
  } catch (error) {
    throwIfEnded(ctx)
    return { missing: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) }
  }
}

async function warmUp(ctx: Context, server: ServerProcess, load: Generator, sent: Sent): Promise<void> {
  let requests = 0
  for (let second = 0; second < warmUpSeconds && requests < warmUpRequests; second++) {
    requests += (await load.run(ctx, server.port, 1, sent)).requests
  }
}

async function measure(
  ctx: Context,
  server: ServerProcess,
  load: Generator,
  seconds: number,
  sent: Sent,
): Promise<Sample> {
  const before = server.cpuMs() ?? NaN
  const seen = await load.run(ctx, server.port, seconds, sent)
  if (seen.failures > 0) throw new Error(`${seen.failures} of ${seen.requests} requests failed`)
  const spent = (server.cpuMs() ?? NaN) - before
  return { ...seen, cpuUs: (spent * 1_000) / seen.requests }
}
