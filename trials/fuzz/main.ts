import fc from 'fast-check'
import type { Context } from '../../templates/service/src/context/context.ts'
import { command, machine } from '../../bench/support/command.ts'
import type { Line } from '../../bench/support/process.ts'
import { memoryOf, startSample, type Sample } from '../../bench/support/sample.ts'
import { families, type Family, type Target } from './families.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { limits, sieges } from './sieges.ts'

/** The time limit of a family, including shrinking; the table has the number of its inputs. */
const familyMs = 90_000

await command(usage, parseOptions, run)

/** One row of the table. */
interface Row {
  readonly name: string
  readonly about: string
  readonly tried: number
  readonly seconds: number
  readonly peak: number
  readonly said: string
  readonly hangs: number
}

/** Prints a row for each family and siege, then the verdict. @returns whether nothing was found */
async function run(ctx: Context, options: Options): Promise<boolean> {
  const faults: Line[] = []
  const onLine = (line: Line): void => {
    // At a limit the service answers 503 or 504, which the log does not report as errors.
    if (line['level'] === 'error' || line['level'] === 'fatal' || line['status'] === 500) faults.push(line)
  }
  const env = {
    REQUEST_TIMEOUT_MS: String(limits.requestMs),
    UPLOAD_TIMEOUT_MS: String(limits.uploadMs),
    UPLOAD_STALL_MS: String(limits.stallMs),
    UPLOAD_MAX_FILES: '5',
  }
  await using service = await startSample(ctx, { env, onLine })
  const { port } = service
  const ids = await Promise.all(['', '0123456789', 'x'.repeat(100_000)].map((text) => store(port, text)))
  const largeId = await store(port, 'x'.repeat(15_000_000))
  const target: Target = { port, ids, limitMs: limits.requestMs + limits.uploadMs + 4_000 }
  console.log(`${machine()}, Node ${process.version}, seed ${options.seed}`)
  console.log('\n| inputs | tried | s | peak RSS | |\n|---|---|---|---|---|')

  const rows: Row[] = []
  const failures: string[] = []
  const measure = async (
    { name, about }: { name: string; about: string },
    work: () => Promise<{ tried: number; hangs: number; note: string }>,
  ): Promise<void> => {
    if (!options.only.has(name) || ctx.err !== undefined || !service.alive()) return
    const startedAt = performance.now()
    const { tried, hangs, note } = await work()
    const seconds = (performance.now() - startedAt) / 1_000
    const { peak } = await memoryOf(service.pid)
    rows.push({ name, about, tried, seconds, peak, said: note, hangs })
    console.log(`| ${name}: ${about} | ${tried} | ${seconds.toFixed(0)} | ${megabytes(peak)} | ${note} |`)
  }
  for (const family of families) await measure(family, () => assail(target, family, options, failures))
  for (const siege of sieges) await measure(siege, () => siege.run({ port, largeId }, options.idle))

  const left = await leftBehind(service)
  const code = service.alive() ? await service.end('SIGTERM') : NaN
  const hangs = rows.reduce((sum, row) => sum + row.hangs, 0)
  const fine = failures.length + faults.length + hangs === 0 && left === 0 && code === 0
  console.log(`
tried ${rows.reduce((sum, row) => sum + row.tried, 0)}, found ${failures.length}, 500s and errors in the log ${faults.length}, hangs ${hangs}, requests left behind ${left}, exit ${code}, peak RSS ${megabytes(Math.max(...rows.map(({ peak }) => peak)))}`)
  for (const failure of failures) console.log(`\n${failure}`)
  for (const fault of faults.slice(0, 10)) console.log(`\n${JSON.stringify(fault)}`)
  return fine
}

/** The inputs of one family, in lanes, each with a seed of its own. */
async function assail(target: Target, family: Family, options: Options, failures: string[]) {
  const { seed, runs, lanes, path } = options
  const statuses = new Map<string, number>()
  let tried = 0
  const count = (heard: { statuses: readonly number[] }): void => {
    tried++
    const [first] = heard.statuses
    const status = first === undefined ? 'none' : String(first)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const details = await fc.check(family.property(target, count), {
        seed: seed + lane,
        numRuns: Math.ceil(runs / lanes),
        plugins: [fc.interruptAfterTimeLimit(familyMs)],
        ...(path !== undefined && { path, endOnFailure: true }),
      })
      if (!details.failed) return
      const repeat = `npm run fuzz -- --only ${family.name} --seed ${details.seed} --lanes 1 --path ${details.counterexamplePath ?? ''}`
      failures.push(
        `${repeat}\n${fc.stringify(details.counterexample).slice(0, 2_000)}\n${String(details.errorInstance)}`,
      )
    }),
  )
  const spread = Array.from(statuses).sort(([a], [b]) => a.localeCompare(b))
  return { tried, hangs: 0, note: spread.map(([status, n]) => `${status}: ${n}`).join(', ') }
}

/** Requests that are still under way after all clients have left. */
async function leftBehind(service: Sample): Promise<number> {
  if (!service.alive()) return NaN
  await new Promise((resolve) => setTimeout(resolve, limits.uploadMs + 2_000))
  const { root } = await service.contexts()
  return root.children.find(({ name }) => name === 'server')?.children.length ?? NaN
}

async function store(port: number, text: string): Promise<string> {
  const body = new FormData()
  body.append('document', new Blob([text]), 'a')
  const response = await fetch(`http://127.0.0.1:${port}/documents`, { method: 'POST', body })
  const { documents } = (await response.json()) as { documents: { id: string }[] }
  return documents[0]?.id ?? ''
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`
}
