import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Noun } from '../templates/service/generators/engine/names.ts'
import type { Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { ownPackage } from './root.ts'
import { stampFile, stampPath, type Stamp } from './stamp.ts'
import { listFiles, readPlanned, type Plan, type PlannedFile } from './tree.ts'

/** What tells one service from another. */
export interface Service {
  readonly name: string
  /** With the documents API: the `upload` piece stamped with `document`, and wired in. */
  readonly example: boolean
}

/** The noun of the example domain. */
const exampleNoun: Noun = { singular: 'document', plural: 'documents' }

/** Files of templates/example that serve its type check where it lies, and are no part of a service. */
const notEmitted = new Set(['tsconfig.json'])

/** Tests of the skeleton that prove the platform rather than a service: they stay in this repository. */
export const proofs = 'test/proofs/'

/**
 * All files of `service`, in memory: the one code path behind creating, `--dry-run` and the committed sample. Depends on
 * the templates and on `service` alone, not on locale, time zone, place or order of directories.
 * @throws what reading the templates throws; the cause of ctx when it ends
 */
export function planService(ctx: Context, service: Service): Promise<Plan> {
  return runGenerator(ctx, service, undefined)
}

/** Plans `service` and writes it below `directory`, which must exist and not hold any of the files. */
export function writeService(ctx: Context, service: Service, directory: string): Promise<Plan> {
  return runGenerator(ctx, service, directory)
}

/** Runs plop's generator `service`: stamps the skeleton, for the example a piece and the overlay, and writes if told where. */
async function runGenerator(ctx: Context, service: Service, directory: string | undefined): Promise<Plan> {
  const planned = new Map<string, PlannedFile>()
  const failed: unknown[] = []
  // plop keeps only the message of what an action throws.
  const keeping = (action: () => Promise<string>) => async (): Promise<string> => {
    try {
      return await action()
    } catch (error) {
      failed.push(error)
      throw error
    }
  }

  // Loaded when needed: it takes 0.4 s, which a refusal or --help need not wait for.
  const { default: nodePlop } = await import('node-plop')
  const plop = await nodePlop()
  const generator = plop.setGenerator('service', {
    description: 'a microservice in which every unit of work hangs from one root context',
    prompts: [],
    actions: actionsFor(ctx, service, planned, directory).map(keeping),
  })

  const { failures } = await generator.runActions({ ...service })
  if (failed.length > 0) throw failed[0]
  const [failure] = failures
  if (failure !== undefined) throw new Error(`plop could not run '${failure.type}': ${failure.error}`)
  return sorted(planned)
}

function actionsFor(
  ctx: Context,
  { name, example }: Service,
  planned: Map<string, PlannedFile>,
  directory: string | undefined,
): (() => Promise<string>)[] {
  const stamp = (from: string, to: string, noun?: Noun) => () =>
    stampFolder(ctx, from, to, { name, noun }, planned)
  return [
    stamp('service', ''),
    ...(example
      ? [stamp('service/generators/pieces/upload/src', 'src', exampleNoun), stamp('example', '', exampleNoun)]
      : []),
    ...(directory === undefined ? [] : [() => writePlan(ctx, planned, directory)]),
  ]
}

/** Plans the files of a folder of templates/ below `to`. */
async function stampFolder(
  ctx: Context,
  from: string,
  to: string,
  stamp: Stamp,
  planned: Map<string, PlannedFile>,
): Promise<string> {
  const folder = join(ownPackage().directory, 'templates', from)
  for (const path of await listFiles(ctx, folder)) {
    if (to === '' && stamp.noun !== undefined && notEmitted.has(path)) continue
    if (from === 'service' && path.startsWith(proofs)) continue
    const file = stampFile(await readPlanned(ctx, join(folder, path)), stamp)
    planned.set([to, stampPath(path, stamp)].filter((part) => part !== '').join('/'), file)
  }
  return from
}

async function writePlan(ctx: Context, plan: Plan, directory: string): Promise<string> {
  for (const [path, { bytes, executable }] of plan) {
    throwIfEnded(ctx)
    const file = join(directory, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, bytes, { mode: executable ? 0o755 : 0o644, flag: 'wx' })
  }
  return directory
}

function sorted(planned: Map<string, PlannedFile>): Plan {
  return new Map([...planned].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
