import { v7 as uuidv7 } from 'uuid'
import { withoutCancel, withTimeout, type Context } from '../context/context.ts'
import { group } from '../context/group.ts'
import { CommitOutcomeUnknown } from '../platform/database/errors.ts'
import type { IncomingFile } from '../platform/uploads/files.ts'
import { readFiles } from '../platform/uploads/multipart.ts'
import type { Platform } from '../platform/platform.ts'
import type { IncomingRequest } from '../platform/http/route.ts'
import { span } from '../platform/telemetry/span.ts'
import { existingWidgets, insertWidgets } from './widgets.repository.ts'
import type { NewWidget, WidgetRow } from './widgets.schema.ts'

const prefix = 'widgets-'
/**
 * How long the removal of bytes may take. It goes on after the request has ended, and with what the storage does after a failed
 * upload it takes less than SHUTDOWN_CANCEL_MS, so that a stop does not abandon it.
 */
const removalMs = 1_200

/** Returns the key of a widget's bytes in the storage. */
export function keyOf(id: string): string {
  return prefix + id
}

/**
 * Stores the files of the request and inserts their rows in one transaction: all or none. When ctx ends (the client
 * hangs up, the deadline passes, the server stops), every worker ends, and the bytes stored so far are removed.
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
    // If the rows may have been inserted, the bytes must stay. The sweep removes them if there are no rows.
    if (!(error instanceof CommitOutcomeUnknown)) await removeContents(ctx, platform, ids)
    throw error
  }
}

/** Reads the files in turn and stores them concurrently. Adds to `ids` the id of each file that the storage has. */
async function storeAll(
  ctx: Context,
  platform: Platform,
  request: IncomingRequest,
  ids: string[],
): Promise<NewWidget[]> {
  const { uploads } = platform
  const rows: NewWidget[] = []
  let files = 0
  using workers = group(ctx, { limit: uploads.workers })

  const reading = readFiles(ctx, request, { field: 'widget', limits: uploads }, (incoming) => {
    const id = uuidv7()
    const index = files++
    workers.go(async (ctx) => {
      rows[index] = await store(ctx, platform, id, incoming)
      ids.push(id)
    })
  })
  // A failure of either ends both: a worker destroys the stream that the reader fills, and the reader destroys the streams of the
  // workers.
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

/** Removes the bytes of widgets. It never fails: it logs what it could not remove, and the sweep removes that later. */
export async function removeContents(
  parent: Context,
  platform: Platform,
  ids: readonly string[],
): Promise<void> {
  // Detached: the request may have ended, and that may be why the bytes must be removed.
  using ctx = withTimeout(withoutCancel(parent), removalMs)
  const removals = await Promise.allSettled(ids.map((id) => platform.storage.delete(ctx, keyOf(id))))
  for (const removal of removals) {
    if (removal.status === 'rejected')
      platform.log.warn(ctx, 'could not remove the bytes of a widget', { err: removal.reason })
  }
}

/**
 * Removes what killed processes left: bytes without a row, and unfinished uploads. It leaves whatever is younger than twice the
 * deadline of an upload: another process may still be writing it, the COMMIT of its row may have been sent just before the
 * deadline, and the clocks of two machines differ. If the storage refuses, the service logs a warning and starts anyway.
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
    if (removed > 0) platform.log.info(ctx, 'removed what cut-off uploads of widgets left', { removed })
  } catch (err) {
    if (ctx.err !== undefined) throw err
    platform.log.warn(ctx, 'could not remove the remains of cut-off uploads of widgets', { err })
  }
}
