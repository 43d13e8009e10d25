import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { startServer } from '../http/process.ts'
import type { Served } from '../http/run.ts'
import { buildOurs, serverOf } from '../shipped/servers.ts'
import { runtime } from '../support/cache.ts'
import { command, count, loadAverage, machine } from '../support/command.ts'
import { median } from '../support/statistics.ts'
import { reference, subjects, type Subject } from './catalogue.ts'

interface Options {
  readonly rounds: number
  /** Major versions. */
  readonly nodes: readonly string[]
}

const usage = `npm run bench:start -- [options]

  --rounds n        starts of each, in turn (default 15)
  --node 20,24      the versions of Node (default: this one); others are fetched from npm`

await command(usage, parseOptions, run)

function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '15' },
      node: { type: 'string', default: process.versions.node.split('.')[0] ?? '' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    rounds: count('--rounds', values.rounds),
    nodes: values.node.split(',').map((each) => String(count('--node', each))),
  }
}

/** One start: from spawn until the server answers, for bare Hono, or listens. */
interface Start {
  readonly ms: number
  readonly cpuMs: number
}

/** Prints one table for each Node: how long the emitted service takes to listen, beside bare Hono's first answer. */
async function run(ctx: Context, { rounds, nodes }: Options): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'start-'))
  const postgres = await startPostgres({ dir, persistent: false })
  try {
    await using built = await buildOurs()
    await using sink = await startServer(ctx, process.execPath, [built.compiled('bench/tracing/sink.ts')], {
      core: 1,
    })
    const servers = {
      ours: built,
      stock: undefined,
      databaseUrl: postgres.url,
      sink: `http://127.0.0.1:${sink.port}`,
    }
    for (const major of nodes) {
      const node = await runtime(ctx, major)
      if ('missing' in node) {
        console.log(`Node ${major}: not measured: ${node.missing}`)
        continue
      }
      const before = loadAverage()
      const starts = new Map<Subject, Start[]>([reference, ...subjects].map((subject) => [subject, []]))
      for (let round = 0; round <= rounds; round++) {
        for (const [subject, seen] of starts) {
          const server = serverOf(subject, servers)
          if ('missing' in server) throw new Error(server.missing)
          const start = await measure(ctx, node.program, server, subject === reference)
          // The first start fills the caches of the system and of Node.
          if (round > 0) seen.push(start)
        }
      }
      console.log(`${machine()}, Node ${node.version}, load average ${before} before, ${loadAverage()} after`)
      console.log(tableOf(starts))
    }
  } finally {
    await postgres.stop()
  }
}

async function measure(ctx: Context, node: string, server: Served, answers: boolean): Promise<Start> {
  const startedAt = performance.now()
  await using started = await startServer(ctx, node, server.args, server)
  if (answers) await (await fetch(`http://127.0.0.1:${started.port}/hello`, { signal: ctx.signal })).text()
  return { ms: performance.now() - startedAt, cpuMs: started.cpuMs() ?? NaN }
}

function tableOf(starts: ReadonlyMap<Subject, readonly Start[]>): string {
  const bare = starts.get(reference) ?? []
  const lines = Array.from(starts, ([{ title, wanted }, seen]) => {
    const times = seen.map(({ ms }, round) => ms / (bare[round]?.ms ?? NaN))
    const costs = seen.map(({ cpuMs }, round) => cpuMs / (bare[round]?.cpuMs ?? NaN))
    const ratio = median(times)
    return [
      title,
      median(seen.map(({ ms }) => ms)).toFixed(0),
      ratio.toFixed(2),
      wanted === undefined ? '' : `≤ ${wanted}: ${ratio <= wanted ? 'met' : 'missed'}`,
      median(seen.map(({ cpuMs }) => cpuMs)).toFixed(0),
      median(costs).toFixed(2),
    ]
  })
  const head = ['', 'ms', '÷ bare Hono', 'wanted', 'CPU ms', '÷ bare Hono']
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
