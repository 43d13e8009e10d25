import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { allHold, command, loadAverage, machine, verdictsTable, type Verdict } from '../support/command.ts'
import { measureLatency, type Measured } from './latency.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { stress, type Stress } from './stress.ts'

await command(usage, parseOptions, run)

/** Prints a table for each part. @returns whether the stress found no fault; the reader judges the latencies */
async function run(ctx: Context, options: Options): Promise<boolean> {
  console.log(`${machine()}, Node ${process.version}, load average ${loadAverage()}`)
  const dir = await mkdtemp(join(tmpdir(), 'mainstem-bench-postgres-'))
  const postgres = await startPostgres({ dir, persistent: false })
  try {
    if (options.parts.has('latency')) {
      const { bare, single, spread, together, parts } = await measureLatency(ctx, postgres.url, options)
      console.log(`
### From a client's hang-up to the end of its statement in Postgres, ms

A statement of the service holds a lock that a connection of the bench waits for; the clock runs from the end of the client's socket
until Postgres has granted it. ${options.concurrent} clients connected at a time, a pool of ${options.concurrent}, loopback. Postgres forks a process for every connection, for which a bare CancelRequest waits; the service sends its cancels over a connection that it keeps.

| | times | median | p90 | p99 | greatest | wanted | connections dialled for each |
|---|---|---|---|---|---|---|---|
| a bare cancel request, one at a time, without the service | ${row(bare.times)} | | ${each(bare)} |
| hang-ups, one at a time | ${row(single.times)} | | ${each(single)} |
| hang-ups, each at its own time | ${row(spread.times)} | ≤ 2.5, p99 ≤ 10 | ${each(spread)} |
| hang-ups, all ${options.concurrent} in one moment | ${row(together.times)} | | ${each(together)} |

| one at a time: from the hang-up until | times | median | p90 | p99 | greatest |
|---|---|---|---|---|---|
${Object.entries(parts)
  .map(([until, times]) => `| ${until} | ${row(times)} |`)
  .join('\n')}`)
    }
    if (!options.parts.has('stress')) return true
    const seen = await stress(ctx, postgres.url, options)
    console.log(
      `\n### Calls cancelled at random beside neighbours, on a pool of ${options.pool}, ${seen.seconds.toFixed(0)} s\n`,
    )
    const rows = verdicts(seen, options)
    console.log(verdictsTable(rows))
    return allHold(rows)
  } finally {
    await postgres.stop()
  }
}

function row(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1)
  return [sorted.length, at(0.5), at(0.9), at(0.99), at(1)].join(' | ')
}

function each({ times, sent }: Measured): string {
  return (sent / times.length).toFixed(2)
}

function verdicts(seen: Stress, { pool, cancels }: Options): Verdict[] {
  return [
    ['cancelled, and rejected with the cause of their context', seen.cancelled, seen.cancelled >= cancels],
    ['done before their context ended', seen.finished, undefined],
    ['failed in any other way', seen.failed, seen.failed === 0],
    ['calls of neighbours on the same pool', seen.innocent, seen.innocent > 0],
    ['of these, hit', seen.hit, seen.hit === 0],
    [
      `most backends of the pool and its control connection, in ${seen.samples} samples (pool: ${pool})`,
      seen.backends,
      seen.backends <= pool + 1,
    ],
    ['idle in transaction for more than 1 s, in all samples', seen.stuck, seen.stuck === 0],
    ['backends at work or in a transaction after the last call', seen.notIdle, seen.notIdle === 0],
  ]
}
