import type { Context } from '../context/context.ts'
import { answerContent, etagOfBytes } from '../platform/uploads/content.ts'
import { isConditional, requireMet } from '../platform/http/etag.ts'
import type { Platform } from '../platform/platform.ts'
import type { IncomingRequest, StreamedResponse } from '../platform/http/route.ts'
import { ContentMissing } from '../platform/storage/storage.ts'
import { cursorOf, type Widget, type WidgetPage } from './widgets.api.ts'
import { deleteWidget, findWidget, listWidgets, type WidgetPosition } from './widgets.repository.ts'
import type { WidgetRow } from './widgets.schema.ts'
import { keyOf, removeContents, uploadWidgets } from './widgets.uploads.ts'

/** The handlers of widgets. */
export function widgetHandlers(platform: Platform) {
  const { db, storage } = platform
  return {
    async upload(ctx: Context, request: IncomingRequest): Promise<Response> {
      const rows = await uploadWidgets(ctx, platform, request)
      return Response.json({ widgets: rows.map(toWidget) }, { status: 201 })
    },

    async list(
      ctx: Context,
      query: { limit: number; cursor?: WidgetPosition | undefined },
    ): Promise<Response> {
      // One more row than the limit shows whether there is a next page.
      const rows = await listWidgets(ctx, db, { limit: query.limit + 1, after: query.cursor })
      const shown = rows.slice(0, query.limit)
      const last = rows.length > query.limit ? shown.at(-1) : undefined
      return Response.json({
        widgets: shown.map(toWidget),
        nextCursor: last === undefined ? null : cursorOf(last),
      } satisfies WidgetPage)
    },

    async get(ctx: Context, id: string): Promise<Response> {
      const widget = await findWidget(ctx, db, id)
      return Response.json(toWidget(widget), { headers: { etag: etagOfBytes(widget.sha256) } })
    },

    async content(ctx: Context, id: string, request: IncomingRequest): Promise<Response | StreamedResponse> {
      const find = () => findWidget(ctx, db, id)
      const widget = await find()
      try {
        return await answerContent(request, {
          ...widget,
          open: (range) => storage.open(ctx, keyOf(widget.id), range),
        })
      } catch (error) {
        // A widget deleted meanwhile is a 404. If its row is still there, the bytes are lost, which is an error.
        if (error instanceof ContentMissing) await find()
        throw error
      }
    },

    async delete(ctx: Context, id: string, request: IncomingRequest): Promise<Response> {
      // A row never changes, so the ETag still holds when the row is deleted.
      if (isConditional(request)) requireMet(request, etagOfBytes((await findWidget(ctx, db, id)).sha256))
      // Deletes the row first: the sweep removes bytes without a row, but nothing repairs a row without bytes.
      const widget = await deleteWidget(ctx, db, id)
      await removeContents(ctx, platform, [widget.id])
      return new Response(null, { status: 204 })
    },
  }
}

function toWidget({ id, name, contentType, size, sha256, createdAt }: WidgetRow): Widget {
  return { id, name, contentType, size, sha256, createdAt: createdAt.toISOString() }
}
