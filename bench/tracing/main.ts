import type { Context } from '../../templates/service/src/context/context.ts'
import { generator, type Generator } from '../http/load.ts'
import { startServer } from '../http/process.ts'
import { measurePair, type Served } from '../http/run.ts'
import { tableOf, type Row } from '../http/table.ts'
import { build, type Build } from '../support/cache.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { reference, type Subject } from './catalogue.ts'
import { parseOptions, usage, type Options } from './options.ts'

const sources = ['bench/http', 'bench/tracing', 'templates/service/src']

await command(usage, parseOptions, run)

/** Prints the throughput of a traced service beside bare Hono's, and the share of requests that arrived as spans. */
async function run(ctx: Context, options: Options): Promise<void> {
  await using built = await build([], sources)
  const load = await generator(ctx, built.folder)
  if ('missing' in load) throw new Error(load.missing)
  const loadBefore = loadAverage()
  const rows: Row[] = []
  const exported: string[] = []
  for (const subject of options.subjects) {
    process.stderr.write(`${subject.name}\n`)
    await using sink = await startServer(ctx, process.execPath, [built.compiled('bench/tracing/sink.ts')], {
      core: 1,
    })
    const url = `http://127.0.0.1:${sink.port}`
    const ours = served(built, subject, url)
    const counting = counted(load)
    const pair = await measurePair(ctx, ours, served(built, reference, url), counting, options)
    rows.push({ title: subject.title, wanted: subject.wanted, pair })
    const arrived = Number(await (await fetch(url, { signal: ctx.signal })).text())
    exported.push(`${subject.name} ${Math.round((100 * arrived) / counting.requests())} %`)
  }
  console.log(machine())
  console.log(
    `${load.name}, 64 connections; ${options.rounds} rounds of ${options.seconds} s for each, in turn with bare Hono; load average ${loadBefore} before, ${loadAverage()} after. Node ${process.versions.node}.`,
  )
  console.log(
    `\n${tableOf(reference.title, rows)}\n\nOf the requests, including the warm-up, arrived as spans: ${exported.join(', ')}`,
  )
}

/** Calls `load`, and counts the requests to the server that it loaded first. */
function counted(load: Generator): Generator & { requests(): number } {
  const sent = new Map<number, number>()
  return {
    ...load,
    async run(ctx, port, seconds, request) {
      const seen = await load.run(ctx, port, seconds, request)
      sent.set(port, (sent.get(port) ?? 0) + seen.requests)
      return seen
    },
    requests: () => sent.values().next().value ?? 0,
  }
}

function served(built: Build, subject: Subject, sink: string): Served {
  return {
    program: process.execPath,
    args: [built.compiled('bench/tracing/worker.ts'), subject.name, sink],
    body: undefined,
  }
}
