import { v7 as uuidv7 } from 'uuid'
import { withoutCancel, withTimeout, type Context } from '../context/context.ts'
import { group } from '../context/group.ts'
import { CommitOutcomeUnknown } from '../platform/database/errors.ts'
import { readFiles, type IncomingFile } from '../platform/uploads/multipart.ts'
import type { Platform } from '../platform/platform.ts'
import type { IncomingRequest } from '../platform/http/route.ts'
import { span } from '../platform/telemetry/span.ts'
import { existingWidgets, insertWidgets } from './widgets.repository.ts'
import type { NewWidget, WidgetRow } from './widgets.schema.ts'

const prefix = 'widgets-'
/** For the removal of bytes, which goes on when the request has ended. */
const removalMs = 10_000

/** Where the bytes of a widget lie in the storage. */
export function keyOf(id: string): string {
  return prefix + id
}

/**
 * Stores the request's files, and makes them rows in one transaction: all or none. The end of ctx (the client hangs up,
 * the deadline passes, the server stops) ends every worker, and what was stored until then is removed again.
 * @throws Problem 400, 408, 413 or 415; CommitOutcomeUnknown; the cause of ctx when it ends first
 */
export async function uploadWidgets(
  ctx: Context,
  platform: Platform,
  request: IncomingRequest,
): Promise<WidgetRow[]> {
  const ids: string[] = []
  try {
    return await insertWidgets(ctx, platform.db, await storeAll(ctx, platform, request, ids))
  } catch (error) {
    // If the rows may be there, so must the bytes be: the sweep will know.
    if (!(error instanceof CommitOutcomeUnknown)) await removeContents(ctx, platform, ids)
    throw error
  }
}

/** Reads the files one after the other and stores them side by side. Puts the id of each into `ids` before its bytes. */
async function storeAll(
  ctx: Context,
  platform: Platform,
  request: IncomingRequest,
  ids: string[],
): Promise<NewWidget[]> {
  const { uploads } = platform
  const rows: NewWidget[] = []
  using workers = group(ctx, { limit: uploads.workers })

  const reading = readFiles(ctx, request, { field: 'widget', limits: uploads }, (incoming) => {
    const id = uuidv7()
    const index = ids.push(id) - 1
    workers.go(async (ctx) => {
      rows[index] = await store(ctx, platform, id, incoming)
    })
  })
  // Whichever fails ends the other: a worker destroys what the reader fills, the reader what the workers read.
  await Promise.allSettled([reading])
  await workers.wait()
  await reading
  return rows
}

function store(ctx: Context, platform: Platform, id: string, incoming: IncomingFile): Promise<NewWidget> {
  const { name, contentType, content } = incoming
  return span(ctx, 'upload.worker', { attributes: { 'widget.id': id } }, async (ctx, current) => {
    const stored = await platform.storage.put(ctx, keyOf(id), content)
    current.setAttribute('widget.size', stored.size)
    return { id, name, contentType, ...stored }
  })
}

/** Does not fail: what it has to leave, and says so, is for the sweep. */
export async function removeContents(
  parent: Context,
  platform: Platform,
  ids: readonly string[],
): Promise<void> {
  // Not under the request: its end may be the very reason to remove them.
  using ctx = withTimeout(withoutCancel(parent), removalMs)
  const removals = await Promise.allSettled(ids.map((id) => platform.storage.delete(ctx, keyOf(id))))
  for (const removal of removals) {
    if (removal.status === 'rejected')
      platform.log.warn(ctx, 'bytes of a widget were left', { err: removal.reason })
  }
}

/**
 * Removes what processes that were killed have left: bytes without a row, and uploads cut off. What is younger than an
 * upload may last is left, for it may be under way in another process; and what is younger than twice that, for the
 * COMMIT of its row may have been sent at the deadline, and clocks of two machines differ. A storage that does not allow it
 * is no reason not to serve: that is said, and what is there stays.
 */
export async function sweepWidgets(ctx: Context, platform: Platform): Promise<void> {
  try {
    const removed = await platform.storage.sweep(ctx, {
      prefix,
      olderThanMs: 2 * platform.uploads.timeoutMs,
      keep: async (keys) => {
        const ids = keys.map((key) => key.slice(prefix.length))
        return new Set((await existingWidgets(ctx, platform.db, ids)).map(keyOf))
      },
    })
    if (removed > 0) platform.log.info(ctx, 'removed what cut-off uploads of widgets had left', { removed })
  } catch (err) {
    if (ctx.err !== undefined) throw err
    platform.log.warn(ctx, 'what cut-off uploads of widgets have left could not be removed', { err })
  }
}
