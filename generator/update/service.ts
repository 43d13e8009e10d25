import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  recordFrom,
  recordPath,
  type FileIds,
  type ServiceRecord,
} from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { errorCode, Failure, failureFrom } from '../failure.ts'
import { textOf } from '../tree.ts'
import { look } from './disk.ts'
import { leftOut, refuseUnderWay, statusOf, type Repository } from './git.ts'
import { isObject } from './merge-json.ts'
import { hasMarkers } from './merge-text.ts'
import { isNewer } from './migration.ts'

/** The service to update. */
export interface Service {
  readonly root: string
  readonly record: ServiceRecord
  readonly repository: Repository | undefined
}

/**
 * Reads the record of the service at `root`; undefined if it has none. @throws Failure if it is unreadable or if `root` is no
 * service
 */
export function readRecord(root: string): ServiceRecord | undefined {
  if (!existsSync(join(root, 'package.json'))) {
    const around = serviceAround(root)
    const where = around === undefined ? 'the folder of a service' : `${around}, which holds a service`
    throw new Failure(`${root} holds no package.json: run update in ${where}`)
  }
  const path = join(root, recordPath)
  if (!existsSync(path)) return undefined
  try {
    return recordFrom(readFileSync(path, 'utf8'))
  } catch (cause) {
    if (errorCode(cause) === undefined) throw failureFrom(cause)
    throw new Failure(`${recordPath} cannot be read (${errorCode(cause)}): restore it from git`, { cause })
  }
}

/** @throws Failure if package.json is not a JSON object: an update reads it, and may merge it */
export function requireManifest(root: string): void {
  const text = readFileSync(join(root, 'package.json'), 'utf8')
  try {
    if (isObject(JSON.parse(text))) return
  } catch {
    // Named below.
  }
  const why = text.startsWith('\uFEFF') ? 'begins with a byte order mark' : 'is not a JSON object'
  throw new Failure(`package.json ${why}: fix that, then update`)
}

/** The nearest folder above `folder` with a record. */
function serviceAround(folder: string): string | undefined {
  const above = dirname(folder)
  if (above === folder) return undefined
  return existsSync(join(above, recordPath)) ? above : serviceAround(above)
}

/** The files of the record that hold conflict markers. */
export function markedFiles(root: string, record: ServiceRecord): string[] {
  const ids = Object.assign({}, record.files, ...record.pieces.map(({ files }) => files)) as FileIds
  return Object.entries(ids)
    .filter(([path, id]) => {
      const there = look(root, path)
      // An unchanged file may show what markers look like.
      const text = there.kind === 'file' && there.id !== id ? textOf(there.file.bytes) : undefined
      return text !== undefined && hasMarkers(text)
    })
    .map(([path]) => path)
}

/** @throws Failure if the service is newer than `version` */
export function refuseDowngrade({ record }: Service, version: string): void {
  if (!isNewer(record.version, version)) return
  throw new Failure(
    `the service is from create-mainstem ${record.version}, but this is ${version}, which is older: npm run update uses the newest`,
  )
}

/**
 * Refuses a service that has uncommitted work, with which the changes of the update would mix.
 * @throws Failure that names the files
 */
export function refuseUnfinished(ctx: Context, service: Service): void {
  const { root, record, repository } = service
  if (repository !== undefined) {
    refuseUnderWay(ctx, root)
    const hidden = leftOut(ctx, root)
    if (hidden.length > 0)
      throw new Failure(
        `a sparse checkout leaves out ${some(hidden)}, which would count as deleted: add it with git sparse-checkout add, then update`,
      )
    const { unmerged, changed } = statusOf(ctx, root, repository)
    if (unmerged.length > 0)
      throw new Failure(`${some(unmerged)} ${are(unmerged)} not merged: resolve that and commit, then update`)
    if (changed.length > 0)
      throw new Failure(
        `${some(changed)} ${are(changed)} changed and not committed: commit or stash that, then update`,
      )
  }
  const marked = markedFiles(root, record)
  if (marked.length > 0)
    throw new Failure(
      `${some(marked)} ${marked.length === 1 ? 'holds' : 'hold'} conflict markers: resolve them first, then update`,
    )
}

/** Refuses to overwrite files that git does not track. */
export function refuseUntracked(
  ctx: Context,
  { root, repository }: Service,
  written: readonly string[],
): void {
  if (repository === undefined) return
  const untracked = new Set(statusOf(ctx, root, repository).untracked)
  const lost = written.filter((path) => untracked.has(path))
  if (lost.length > 0)
    throw new Failure(
      `${some(lost)} ${are(lost)} not in git and would change: commit or move that, then update`,
    )
}

function some(paths: readonly string[]): string {
  return `${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ` and ${paths.length - 3} more` : ''}`
}

function are(paths: readonly string[]): string {
  return paths.length === 1 ? 'is' : 'are'
}
