import { withCancel, type Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { generator, type Generator } from '../http/load.ts'
import { startServer } from '../http/process.ts'
import { measurePair, type Served } from '../http/run.ts'
import { tableOf, type Row } from '../http/table.ts'
import { build, type Build } from '../support/cache.ts'
import { command, loadAverage, machine } from '../support/command.ts'
import { draw } from './browser.ts'
import { parseOptions, usage, type Options } from './options.ts'

const sources = ['bench/http', 'bench/inspector/worker.ts', 'templates/service/src']
const page = { accept: 'text/html' }
const json = { accept: 'application/json' }

await command(usage, parseOptions, run)

/** Prints the cost of the inspector for the service, while it is closed and while it is open, and its cost in the browser. */
async function run(ctx: Context, options: Options): Promise<void> {
  await using built = await build([], sources)
  const load = await generator(ctx, built.folder)
  if ('missing' in load) throw new Error(load.missing)
  const loadBefore = loadAverage()
  const cases: readonly [title: string, load: Generator][] = [
    ['built in, closed', load],
    ['its page open in a browser', looking(load, page)],
    ['its JSON asked for each second', looking(load, json)],
  ]
  const rows: Row[] = []
  for (const [title, each] of cases) {
    process.stderr.write(`${title}\n`)
    const pair = await measurePair(
      ctx,
      served(built, options, 'with'),
      served(built, options, 'without'),
      each,
      options,
    )
    rows.push({ title, pair })
  }
  console.log(machine())
  console.log(
    `${load.name}, 64 connections; ${options.contexts} live contexts; ${options.rounds} rounds of ${options.seconds} s for each, in turn with the same service without an inspector; load average ${loadBefore} before, ${loadAverage()} after. Node ${process.versions.node}.`,
  )
  console.log(`\n${tableOf('without an inspector', rows)}\n`)
  console.log(await ofThePage(ctx, built, options))
}

/** Sizes and times of an idle service. */
async function ofThePage(ctx: Context, built: Build, options: Options): Promise<string> {
  const { program, args } = served(built, options, 'with')
  await using server = await startServer(ctx, program, args)
  const url = await inspectorOf(ctx, server.port)
  const lines: string[] = []
  for (const [name, headers] of [
    ['the page', page],
    ['its JSON', json],
  ] as const) {
    const times: number[] = []
    let bytes = 0
    for (let i = 0; i < 20; i++) {
      const startedAt = performance.now()
      bytes = (await look(ctx, url, headers)).byteLength
      times.push(performance.now() - startedAt)
    }
    const median = times.sort((a, b) => a - b)[10] ?? NaN
    lines.push(`${name}: ${(bytes / 1_024).toFixed(0)} kB, answered in ${median.toFixed(1)} ms`)
  }
  const drawn = await draw(ctx, url)
  lines.push(
    drawn === undefined
      ? 'in a browser: not measured, there is no Chromium'
      : `in Chromium: first paint after ${drawn.firstMs.toFixed(0)} ms, each update ${drawn.updateMs.toFixed(0)} ms of its main thread`,
  )
  return lines.join('\n')
}

/** Loads the server while requesting its inspector, if it has one, as often as the page does. */
function looking(load: Generator, headers: Record<string, string>): Generator {
  return {
    ...load,
    async run(parent, port, seconds, body) {
      const url = await inspectorOf(parent, port)
      using ctx = withCancel(parent)
      const looked = url === '' ? Promise.resolve() : keepLooking(ctx, url, headers)
      const seen = await load.run(parent, port, seconds, body)
      ctx.cancel()
      await looked
      return seen
    },
  }
}

async function keepLooking(ctx: Context, url: string, headers: Record<string, string>): Promise<void> {
  while (ctx.err === undefined) {
    const startedAt = performance.now()
    await look(ctx, url, headers).catch(() => undefined)
    await sleep(ctx, Math.max(1_000, 10 * (performance.now() - startedAt))).catch(() => undefined)
  }
}

async function look(ctx: Context, url: string, headers: Record<string, string>): Promise<ArrayBuffer> {
  const response = await fetch(url, { headers, signal: ctx.signal })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return response.arrayBuffer()
}

/** Empty if it has none. */
async function inspectorOf(ctx: Context, port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/admin`, { signal: ctx.signal })
  const adminPort = (await response.json()) as number | null
  return adminPort === null ? '' : `http://127.0.0.1:${adminPort}/debug/contexts`
}

function served(built: Build, { contexts }: Options, inspector: 'with' | 'without'): Served {
  const worker = built.compiled('bench/inspector/worker.ts')
  return { program: process.execPath, args: [worker, `${contexts}`, inspector], body: undefined }
}
