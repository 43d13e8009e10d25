import {
  blobId,
  idsOf,
  recordPath,
  titleOf,
  type FileIds,
  type ServiceRecord,
  type StampedPiece,
} from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { lastLines } from '../command.ts'
import { Failure } from '../failure.ts'
import { lockFiles } from '../package-manager.ts'
import { say, type Screen } from '../progress.ts'
import { textOf } from '../tree.ts'
import { withCopy } from './copy.ts'
import { look } from './disk.ts'
import type { Repository } from './git.ts'
import { creations, filesOfCommit, idsCommitted } from './history.ts'
import { emittedBy } from './old-package.ts'
import { runOnGenerators } from './own-generators.ts'
import type { UpdateOptions } from './options.ts'

/** The record of a service that had none, and the texts that git may lack. */
export interface Adoption {
  readonly record: ServiceRecord
  /** What the service's own generators stamp, by path. */
  readonly stamped: ReadonlyMap<string, Buffer>
}

/** A piece that was found; `failed` says why it could not be stamped again. */
interface FoundPiece {
  readonly piece: string
  readonly noun?: { readonly singular: string; readonly plural: string }
  readonly flags: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly failed?: string
  /** The flags that neither the stamped code nor the user gives. */
  readonly unknown?: readonly string[]
  /** Whether the user gave the flags, with `--piece`. */
  readonly isSaid?: boolean
}

/** The folders that every version of the command has written, in addition to files at the top. */
const emittedFolders = /^(?:\.github|\.vscode|docs|generators|k8s|lint|ops|scripts|src|test)\//

/**
 * Makes the record of a service that has none: from the commit that created it, else from the package of the version. It finds
 * the stamped pieces by their files, and stamps them again with the service's own generators to get their texts.
 * @throws Failure without --adopt, or if the original text is not known
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
      `the service has no ${recordPath}: run update --adopt, which finds and records the original files`,
    )
  const [created] = repository === undefined ? [] : creations(ctx, root)
  const answers = answersOf(root)
  const version = created?.version ?? options.from
  if (version === undefined)
    throw new Failure(
      'no commit names the version that created the service: give that version, or the path of its tarball, with --from',
    )
  const emitted =
    created === undefined
      ? await emittedIds(ctx, root, { version, answers: { ...answers, example: true } }, options.from)
      : filesOfCommit(ctx, root, created.commit)
  if (emitted === undefined)
    throw new Failure(`create-mainstem@${version} is not found: name the path of its tarball with --from`)
  const example = [...emitted.keys()].some((path) => path.startsWith('src/documents/'))
  const said = options.pieces.map(saidFrom)
  const found = await withCopy(ctx, root, new Map(), (ctx, copy) => foundPieces(ctx, copy, said))
  for (const one of found) refuseGuessed(ctx, root, repository, one)
  const pieces = found.flatMap((one) => entryOf(one, version))
  for (const { piece, noun, failed, isSaid } of found) {
    const title = titleOf({ piece, noun: noun?.singular })
    if (failed !== undefined && isSaid === true)
      throw new Failure(`--piece ${title.includes(' ') ? `'${title}'` : title} is not found: ${failed}`)
    if (failed !== undefined) say(screen, `not recorded: ${title}: ${failed}`)
  }
  const ofPieces = new Set(pieces.flatMap(({ files }) => Object.keys(files)))
  const files = Object.fromEntries([...emitted].filter(([path]) => isRecorded(path) && !ofPieces.has(path)))
  const stamped = new Map(
    found.flatMap(({ files = {} }) => Object.entries(files)).map(([path, text]) => [path, Buffer.from(text)]),
  )
  const titles = pieces.map(titleOf)
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
  root: string,
  about: Pick<ServiceRecord, 'version' | 'answers'>,
  from: string | undefined,
): Promise<ReadonlyMap<string, string> | undefined> {
  const plan = await emittedBy(ctx, about, from, root)
  return plan && new Map([...plan].map(([path, { bytes }]) => [path, blobId(bytes)]))
}

function answersOf(root: string): Record<string, string> {
  const there = look(root, 'package.json')
  const text = there.kind === 'file' ? textOf(there.file.bytes) : undefined
  const manifest = JSON.parse(text ?? '{}') as { name?: string; packageManager?: string }
  return { name: manifest.name ?? 'my-service', pm: manifest.packageManager?.replace(/\+.*/, '') ?? 'npm' }
}

/**
 * Parses what the user wrote after `--piece`: the line that was typed after `npm run add --`. @throws Failure for any other line
 */
function saidFrom(line: string): Pick<FoundPiece, 'piece' | 'flags'> & { noun?: string } {
  const [, piece, noun, rest = ''] =
    /^([a-z][\w-]*)(?: +([a-z][\w-]*))?((?: +--.+)?)$/s.exec(line.trim()) ?? []
  if (piece === undefined)
    throw new Failure(`--piece ${line} is not a piece: write what you typed after npm run add --, in quotes`)
  const flags = rest.matchAll(/ --([\w-]+)(?:[ =]+(.*?))?(?= +--[a-z]|$)/gs)
  return {
    piece,
    ...(noun === undefined ? {} : { noun }),
    flags: Object.fromEntries(Array.from(flags, ([, name = '', value = 'yes']) => [name, value])),
  }
}

/**
 * Accepts a piece whose flags were guessed only if it stamps what is there, or what was committed there once.
 * @throws Failure if it does not: a wrong guess would make a conflict of every line
 */
function refuseGuessed(
  ctx: Context,
  root: string,
  repository: Repository | undefined,
  { piece, noun, flags, files = {}, unknown = [], isSaid = false }: FoundPiece,
): void {
  const [first] = unknown
  if ((Object.keys(flags).length === 0 && first === undefined) || isSaid) return
  const title = titleOf({ piece, noun: noun?.singular })
  const way = `give it with update --adopt --piece '${title} --${first ?? Object.keys(flags)[0] ?? ''} …'`
  if (first !== undefined) throw new Failure(`cannot tell which --${first} ${title} was added with: ${way}`)
  const ids = Object.entries(idsOf(Object.entries(files)))
  const left = ids.filter(([path, id]) => {
    const there = look(root, path)
    return there.kind === 'file' && there.id !== id
  })
  const committed =
    repository === undefined
      ? new Set<string>()
      : idsCommitted(
          ctx,
          root,
          left.map(([path]) => path),
        )
  const [other] = left.find(([, id]) => !committed.has(id)) ?? []
  if (other === undefined) return
  const guess = Object.entries(flags).map(([name, value]) => `--${name} ${value}`)
  throw new Failure(
    `cannot tell which flags ${title} was added with, since ${guess.join(' ')} stamps a different ${other}: ${way}`,
  )
}

async function foundPieces(ctx: Context, copy: string, said: readonly object[]): Promise<FoundPiece[]> {
  const { code, stdout, output } = await runOnGenerators(ctx, copy, 'pieces.ts', { said })
  // In a checkout with CRLF the generators stamp CRLF.
  if (code === 0) return JSON.parse(stdout.replaceAll('\\r\\n', '\\n')) as FoundPiece[]
  throw new Failure(
    'the generators of the service cannot be run, so its pieces cannot be found: install its dependencies, or fix the generators',
    { output: lastLines(output, 20) },
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
