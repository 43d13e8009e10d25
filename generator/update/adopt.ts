import {
  blobId,
  idsOf,
  recordPath,
  type FileIds,
  type ServiceRecord,
  type StampedPiece,
} from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { lastLines } from '../command.ts'
import { Failure } from '../failure.ts'
import { lockFiles } from '../package-manager.ts'
import { say, type Screen } from '../progress.ts'
import { withCopy } from './copy.ts'
import { look, textOf } from './disk.ts'
import { creations, filesOfCommit, type Repository } from './git.ts'
import { emittedBy } from './old-package.ts'
import { runOnGenerators } from './own-generators.ts'
import type { UpdateOptions } from './options.ts'

/** A record that was made afterwards, and the texts that git may not have. */
export interface Adoption {
  readonly record: ServiceRecord
  /** What the service's own generators stamp, by path. */
  readonly stamped: ReadonlyMap<string, Buffer>
}

/** What was found of a piece: `failed` says why it could not be stamped again. */
interface FoundPiece {
  readonly piece: string
  readonly noun?: { readonly singular: string; readonly plural: string }
  readonly flags: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly failed?: string
}

/** The folders that the command has always emitted into, beside files at the top of a service. */
const emittedFolders = /^(?:\.github|\.vscode|docs|generators|k8s|lint|ops|scripts|src|test)\//

/**
 * Makes the record of a service that has none: from the commit that created it, else from the package of the version. It finds
 * the stamped pieces by their files, and stamps them again with the service's own generators to know their texts.
 * @throws Failure without --adopt, or if what was emitted is not known
 */
export async function adopted(
  ctx: Context,
  screen: Screen,
  root: string,
  repository: Repository | undefined,
  options: UpdateOptions,
): Promise<Adoption> {
  if (!options.adopt)
    throw new Failure(
      `the service has no ${recordPath}: update --adopt finds out what was emitted, and records it`,
    )
  const [created] = repository === undefined ? [] : creations(ctx, root)
  const answers = answersOf(root)
  const version = created?.version ?? options.from
  if (version === undefined)
    throw new Failure(
      'no commit says with which version the service was created: name it with --from, or the path of its tarball',
    )
  const emitted =
    created === undefined
      ? await emittedIds(ctx, { version, answers: { ...answers, example: true } }, options.from)
      : filesOfCommit(ctx, root, created.commit)
  if (emitted === undefined)
    throw new Failure(`create-mainstem@${version} is not found: name the path of its tarball with --from`)
  const example = [...emitted.keys()].some((path) => path.startsWith('src/documents/'))
  const found = await withCopy(ctx, root, new Map(), foundPieces)
  const pieces = found.flatMap((one) => entryOf(one, version))
  for (const { piece, noun, failed } of found)
    if (failed !== undefined) say(screen, `not recorded: ${piece} ${noun?.singular ?? ''}: ${failed}`)
  const ofPieces = new Set(pieces.flatMap(({ files }) => Object.keys(files)))
  const files = Object.fromEntries([...emitted].filter(([path]) => isRecorded(path) && !ofPieces.has(path)))
  const stamped = new Map(
    found.flatMap(({ files = {} }) => Object.entries(files)).map(([path, text]) => [path, Buffer.from(text)]),
  )
  const titles = pieces.map(({ piece, noun }) => (noun === undefined ? piece : `${piece} ${noun}`))
  say(
    screen,
    `Adopted: ${Object.keys(files).length} files of create-mainstem ${version}, and ${titles.join(', ') || 'no piece'}`,
  )
  return { record: { version, answers: { ...answers, example }, files, pieces }, stamped }
}

function isRecorded(path: string): boolean {
  if (path.startsWith('drizzle/') || lockFiles.some((file) => file === path)) return false
  return (
    emittedFolders.test(path) ||
    (!path.includes('/') && !/^(?:LICENSE|CODEOWNERS|CONTRIBUTING|SECURITY)/.test(path))
  )
}

async function emittedIds(
  ctx: Context,
  about: Pick<ServiceRecord, 'version' | 'answers'>,
  from: string | undefined,
): Promise<ReadonlyMap<string, string> | undefined> {
  const plan = await emittedBy(ctx, about, from)
  return plan && new Map([...plan].map(([path, { bytes }]) => [path, blobId(bytes)]))
}

function answersOf(root: string): Record<string, string> {
  const there = look(root, 'package.json')
  const text = there.kind === 'file' ? textOf(there.file.bytes) : undefined
  const manifest = JSON.parse(text ?? '{}') as { name?: string; packageManager?: string }
  return { name: manifest.name ?? 'my-service', pm: manifest.packageManager?.replace(/\+.*/, '') ?? 'npm' }
}

async function foundPieces(ctx: Context, copy: string): Promise<FoundPiece[]> {
  const { code, stdout, output } = await runOnGenerators(ctx, copy, 'pieces.ts')
  if (code === 0) return JSON.parse(stdout) as FoundPiece[]
  throw new Failure(
    'the generators of the service cannot be run, so its pieces are not known: install its dependencies, and mend them',
    {
      output: lastLines(output, 20),
    },
  )
}

function entryOf({ piece, noun, flags, files }: FoundPiece, version: string): StampedPiece[] {
  if (files === undefined) return []
  const ids: FileIds = idsOf(Object.entries(files))
  return [
    {
      piece,
      ...(noun === undefined ? {} : { noun: noun.singular, plural: noun.plural }),
      flags,
      version,
      files: ids,
    },
  ]
}
