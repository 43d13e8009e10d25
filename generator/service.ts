import type { Noun } from '../templates/service/generators/engine/names.ts'
import type { Stamping } from '../templates/service/generators/engine/record.ts'
import type { Context } from '../templates/service/src/context/context.ts'
import type { Manager } from './manager.ts'
import { throwIfEnded } from './ended.ts'
import { withManager, withVersion } from './manager-files.ts'
import { withRecord } from './record.ts'
import { stampFile, stampPath, type Stamp } from './stamp.ts'
import { readTemplates } from './templates.ts'
import { asMember } from './workspace-files.ts'
import { sorted, writePlan, type Plan, type PlannedFile } from './tree.ts'

/** The properties in which services differ. */
export interface Service {
  readonly name: string
  /** With the documents API: the `upload` piece stamped with `document`, and wired in. */
  readonly example: boolean
  /** npm unless given. */
  readonly manager?: Manager
  /** Its path below the root of the workspace of which it is a member, with `/`. */
  readonly workspace?: string | undefined
}

/** The noun of the example domain. */
const exampleNoun: Noun = { singular: 'document', plural: 'documents' }

/** Files of templates/example that only its type check needs. A service does not get them. */
const notEmitted = new Set(['tsconfig.json'])

/**
 * All files of `service`, in memory: the one code path behind creating, `--dry-run` and the committed sample. It depends on
 * the templates and on `service` alone, not on locale, time zone, place or order of directories.
 * @throws what reading the templates throws; the cause of ctx when it ends
 */
export async function planService(ctx: Context, service: Service): Promise<Plan> {
  return (await planMember(ctx, service)).plan
}

/** A planned service, and the same service outside of a workspace: the root of the workspace gets some of those files. */
export interface PlannedMember {
  readonly plan: Plan
  readonly alone: Plan
}

/** Like `planService`, for a service that may be a member of a workspace. */
export async function planMember(ctx: Context, service: Service): Promise<PlannedMember> {
  const parts: Parts = {
    planned: new Map(),
    ofThePiece: new Map(),
    ofTheManager: new Map(),
    ofTheMember: new Map(),
  }
  const failed: unknown[] = []
  // plop keeps only the message of what an action throws.
  const keeping = (action: () => string) => (): string => {
    try {
      throwIfEnded(ctx)
      return action()
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
    actions: actionsFor(await readTemplates(ctx), service, parts).map(keeping),
  })

  const { failures } = await generator.runActions({ ...service })
  if (failed.length > 0) throw failed[0]
  const [failure] = failures
  if (failure !== undefined) throw new Error(`plop could not run '${failure.type}': ${failure.error}`)
  const { planned, ofThePiece, ofTheManager, ofTheMember } = parts
  const { manager = { name: 'npm' }, workspace } = service
  const alone = withManager(planned, manager, ofTheManager)
  const skeleton =
    workspace === undefined
      ? alone
      : asMember(alone, workspace, withVersion(ofTheMember, manager, ofTheManager))
  const plan = sorted(withRecord(service, new Map([...ofThePiece, ...skeleton]), exampleOf(ofThePiece)))
  return { plan, alone }
}

/** How the record names the files of the example: as if `npm run add -- upload document` had stamped them. */
function exampleOf(files: Plan): Stamping | undefined {
  if (files.size === 0) return undefined
  const texts = [...files].map(([path, { bytes }]) => [path, bytes.toString('utf8')] as const)
  return { piece: 'upload', noun: exampleNoun, flags: {}, files: new Map(texts) }
}

/** Plans `service` and writes it below `directory`, which must exist and not hold any of the files. */
export async function writeService(ctx: Context, service: Service, directory: string): Promise<Plan> {
  const plan = await planService(ctx, service)
  await writePlan(ctx, plan, directory)
  return plan
}

/** Where the files of a service are planned, by their origin. */
interface Parts {
  readonly planned: Map<string, PlannedFile>
  readonly ofThePiece: Map<string, PlannedFile>
  readonly ofTheManager: Map<string, PlannedFile>
  readonly ofTheMember: Map<string, PlannedFile>
}

/**
 * Stamps the skeleton, for the example a piece and the overlay, the files of a package manager other than npm, and those
 * of a member of a workspace.
 */
function actionsFor(
  templates: Plan,
  { name, example, manager, workspace }: Service,
  { planned, ofThePiece, ofTheManager, ofTheMember }: Parts,
): (() => string)[] {
  const stamp =
    (from: string, to: string, noun?: Noun, into = planned) =>
    () =>
      stampFolder(templates, from, to, { name, noun, workspace }, into)
  return [
    stamp('service', ''),
    ...(example
      ? [
          stamp('service/generators/pieces/upload/src', 'src', exampleNoun, ofThePiece),
          stamp('example', '', exampleNoun),
        ]
      : []),
    ...(manager === undefined || manager.name === 'npm'
      ? []
      : [stamp(`managers/${manager.name}`, '', undefined, ofTheManager)]),
    ...(workspace === undefined
      ? []
      : ['all', manager?.name ?? 'npm'].map((one) => stamp(`workspaces/${one}`, '', undefined, ofTheMember))),
  ]
}

/** Plans the files of a folder of templates/ below `to`. */
function stampFolder(
  templates: Plan,
  from: string,
  to: string,
  stamp: Stamp,
  planned: Map<string, PlannedFile>,
): string {
  for (const [whole, file] of templates) {
    if (!whole.startsWith(`${from}/`)) continue
    const path = whole.slice(from.length + 1)
    if (to === '' && stamp.noun !== undefined && notEmitted.has(path)) continue
    const target = [to, stampPath(path, stamp)].filter((part) => part !== '').join('/')
    planned.set(target, stampFile(file, stamp))
  }
  return from
}
