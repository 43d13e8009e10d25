import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ActionConfig, CustomActionFunction } from 'node-plop'
import { nounFrom } from '../templates/service/generators/names.ts'
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
const exampleNoun = 'document'

/** Files of templates/example that serve its type check where it lies, and are no part of a service. */
const notEmitted = new Set(['tsconfig.json'])

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
  const templates = join(ownPackage().directory, 'templates')
  const planned = new Map<string, PlannedFile>()
  const failed: unknown[] = []
  // plop keeps only the message of what an action throws.
  const keeping =
    (action: (config: Record<string, unknown>) => Promise<string>): CustomActionFunction =>
    async (_answers, config) => {
      try {
        return await action(config)
      } catch (error) {
        failed.push(error)
        throw error
      }
    }

  // Loaded when needed: it takes 0.4 s, which a refusal or --help need not wait for.
  const { default: nodePlop } = await import('node-plop')
  const plop = await nodePlop('', { destBasePath: templates, force: false })
  plop.setActionType(
    'stamp',
    keeping(async (config) => {
      const stamp = {
        name: service.name,
        noun: config['noun'] === undefined ? undefined : nounFrom(text(config, 'noun')),
      }
      return stampFolder(ctx, join(templates, text(config, 'from')), text(config, 'to'), stamp, planned)
    }),
  )
  plop.setActionType(
    'write',
    keeping(async (config) => writePlan(ctx, planned, text(config, 'directory'))),
  )
  plop.setGenerator('service', {
    description: 'a microservice in which every unit of work hangs from one root context',
    prompts: [],
    actions: actionsFor(service, directory),
  })

  const { failures } = await plop.getGenerator('service').runActions({ ...service })
  if (failed.length > 0) throw failed[0]
  const [failure] = failures
  if (failure !== undefined) throw new Error(`plop could not run '${failure.type}': ${failure.error}`)
  return sorted(planned)
}

/** An action of ours with its settings: plop's own type has room for neither. */
type Action = ActionConfig & Partial<Record<'from' | 'to' | 'noun' | 'directory', string>>

function actionsFor(service: Service, directory: string | undefined): Action[] {
  const actions: Action[] = [{ type: 'stamp', from: 'service', to: '' }]
  if (service.example) {
    actions.push({ type: 'stamp', from: 'service/generators/upload/src', to: 'src', noun: exampleNoun })
    actions.push({ type: 'stamp', from: 'example', to: '', noun: exampleNoun })
  }
  if (directory !== undefined) actions.push({ type: 'write', directory })
  return actions
}

async function stampFolder(
  ctx: Context,
  from: string,
  to: string,
  stamp: Stamp,
  planned: Map<string, PlannedFile>,
): Promise<string> {
  for (const path of await listFiles(ctx, from)) {
    if (to === '' && stamp.noun !== undefined && notEmitted.has(path)) continue
    const file = stampFile(await readPlanned(ctx, join(from, path)), stamp)
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

function text(config: Record<string, unknown>, key: string): string {
  const value = config[key]
  if (typeof value !== 'string') throw new Error(`the action needs '${key}'`)
  return value
}
