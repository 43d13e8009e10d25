import { readdir, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Context } from '../../templates/service/src/context/context.ts'
import { command, machine } from '../../bench/support/command.ts'
import type { Line } from '../../bench/support/process.ts'
import { memoryOf, startSample, type Sample as Service } from '../../bench/support/sample.ts'
import { chartOf, figure, signed } from './chart.ts'
import type { Inside } from './inside.ts'
import { send, type Sent } from './load.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { measures, slopeOf, type Sample } from './series.ts'

const svgFile = new URL('../../docs/soak.svg', import.meta.url)
const inside = fileURLToPath(new URL('./inside.ts', import.meta.url))
/**
 * The pause before each count, in which cancelled requests unwind, and connections that were kept for the next cancel (10 s)
 * close.
 */
const settleMs = 11_000

await command(usage, parseOptions, run)

/** Prints the slopes. @returns whether all are flat and no request failed */
async function run(ctx: Context, options: Options): Promise<boolean> {
  const faults: Line[] = []
  const onLine = (line: Line): void => {
    if (line['level'] === 'error' || line['level'] === 'fatal') faults.push(line)
  }
  const nodeArgs = ['--expose-gc', '--import', 'tsx', '--import', inside]
  await using service = await startSample(ctx, { nodeArgs, onLine })
  const sent: Sent = { answered: 0, hungUp: new Map(), failed: 0 }
  const total = (): number =>
    sent.answered + sent.failed + [...sent.hungUp.values()].reduce((a, b) => a + b, 0)
  const startedAt = performance.now()
  const minutes = (): number => (performance.now() - startedAt) / 60_000
  const samples: Sample[] = []
  const step = Math.ceil(options.requests / options.samples)
  while (total() < options.requests && minutes() < options.minutes && ctx.err === undefined) {
    await send(service.port, Math.min(step, options.requests - total()), sent)
    await delay(settleMs)
    samples.push(await look(service, total()))
    process.stderr.write(`${total()} requests, ${minutes().toFixed(1)} min\n`)
  }
  const hungUp = [...sent.hungUp.values()].reduce((a, b) => a + b, 0)
  const ways = [...sent.hungUp].map(([name, n]) => `${name} ${n}`).join(', ')
  const title = `${total().toLocaleString('en')} requests, ${Math.round((100 * hungUp) / total())} % hung up`
  console.log(`${machine()}, Node ${process.version}, ${minutes().toFixed(1)} min`)
  console.log(`${title} (${ways}), ${sent.failed} failed, ${faults.length} errors in the log\n`)
  console.log('| | first | last | slope per 1,000,000 requests, second half | flat |\n|---|---|---|---|---|')
  let flat = true
  for (const { name, title, unit, flat: most } of measures) {
    const slope = slopeOf(samples, name)
    const isFlat = slope <= most
    flat &&= isFlat
    const [first, last] = [samples[0]?.[name] ?? NaN, samples.at(-1)?.[name] ?? NaN]
    console.log(
      `| ${title} ${unit} | ${figure(first)} | ${figure(last)} | ${signed(slope)} | ${isFlat ? 'yes' : `NO: more than ${most}`} |`,
    )
  }
  for (const fault of faults.slice(0, 10)) console.log(JSON.stringify(fault))
  if (options.svg) {
    await writeFile(svgFile, chartOf(samples, title))
    console.log(`\nwritten: ${fileURLToPath(svgFile)}`)
  }
  const code = await service.end('SIGTERM')
  console.log(`\nexit ${code}`)
  return flat && sent.failed + faults.length === 0 && code === 0
}

async function look(service: Service, requests: number): Promise<Sample> {
  const { live } = await service.contexts()
  const { heap, timers, handles, listeners } = await service.ask<Inside>('look')
  const descriptors = await readdir(`/proc/${service.pid}/fd`).catch(() => [])
  const { now } = await memoryOf(service.pid)
  return {
    requests,
    heap: heap / 2 ** 20,
    rss: now / 2 ** 20,
    descriptors: descriptors.length,
    timers,
    handles,
    contexts: live,
    listeners,
  }
}
