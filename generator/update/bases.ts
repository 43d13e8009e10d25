import type { ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import { blobId } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { replay, withCopy } from './copy.ts'
import type { Repository } from './git.ts'
import { blobOf } from './history.ts'
import { emittedBy } from './old-package.ts'

/** Finds emitted or stamped contents by their ids. */
export interface Bases {
  /** The content with this id, which was emitted or stamped at `path`; undefined if no source has it. */
  find(ctx: Context, path: string, id: string): Promise<Buffer | undefined>
}

/**
 * Looks for a content in the cheapest place first: in git, without a network; for a piece, in what the service's generators stamp
 * before they are updated; last in the package of the recorded version. It accepts only a content with the recorded id.
 */
export function basesOf(
  root: string,
  record: ServiceRecord,
  repository: Repository | undefined,
  from: string | undefined,
  adopted: ReadonlyMap<string, Buffer> = new Map(),
): Bases {
  let stamped: Promise<ReadonlyMap<string, Buffer>> | undefined
  let emitted: Promise<ReadonlyMap<string, Buffer>> | undefined
  const ofPieces = new Set(record.pieces.flatMap(({ files }) => Object.keys(files)))
  return {
    async find(ctx, path, id) {
      const text = adopted.get(path)
      if (text !== undefined && blobId(text) === id) return text
      const known = repository === undefined ? undefined : blobOf(ctx, root, repository, path, id)
      if (known !== undefined) return known
      if (ofPieces.has(path)) {
        const content = (await (stamped ??= stampedNow(ctx, root, record))).get(path)
        if (content !== undefined && blobId(content) === id) return content
      }
      const content = (await (emitted ??= emittedThen(ctx, root, record, from))).get(path)
      return content !== undefined && blobId(content) === id ? content : undefined
    },
  }
}

async function stampedNow(
  ctx: Context,
  root: string,
  record: ServiceRecord,
): Promise<ReadonlyMap<string, Buffer>> {
  if (!existsSync(join(root, 'generators/engine/replay.ts'))) return new Map()
  try {
    const { stampings } = await withCopy(ctx, root, new Map(), (ctx, copy) => replay(ctx, copy, record))
    const files = stampings.flatMap(({ files }) => Object.entries(files))
    return new Map(files.map(([path, text]) => [path, Buffer.from(text)]))
  } catch (error) {
    if (error instanceof Failure) return new Map()
    throw error
  }
}

async function emittedThen(
  ctx: Context,
  root: string,
  record: ServiceRecord,
  from: string | undefined,
): Promise<ReadonlyMap<string, Buffer>> {
  const plan = (await emittedBy(ctx, record, from, root)) ?? new Map<string, never>()
  return new Map([...plan].map(([path, { bytes }]) => [path, bytes]))
}
