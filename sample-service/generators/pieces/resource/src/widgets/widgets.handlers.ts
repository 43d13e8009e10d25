import type { Context } from '../context/context.ts'
import { acceptedVersions, etagOf, requiredVersions } from '../platform/http/etag.ts'
import type { Platform } from '../platform/platform.ts'
import type { IncomingRequest } from '../platform/http/route.ts'
import { toWidget, type WidgetFields, type WidgetPage, type WidgetQuery } from './widgets.api.ts'
import { deleteWidget, findWidget, insertWidget, listWidgets, updateWidget } from './widgets.repository.ts'
import type { WidgetRow } from './widgets.schema.ts'

/** The handlers of widgets. */
export function widgetHandlers({ db }: Platform) {
  return {
    async create(ctx: Context, fields: WidgetFields): Promise<Response> {
      const widget = await insertWidget(ctx, db, fields)
      return answer(widget, { status: 201, headers: { location: `/widgets/${widget.id}` } })
    },

    async list(ctx: Context, { limit, cursor, ...filter }: WidgetQuery): Promise<Response> {
      // One more row than the limit shows whether there is a next page.
      const rows = await listWidgets(ctx, db, { filter, limit: limit + 1, after: cursor })
      const shown = rows.slice(0, limit)
      return Response.json({
        widgets: shown.map(toWidget),
        nextCursor: rows.length > limit ? (shown.at(-1)?.id ?? null) : null,
      } satisfies WidgetPage)
    },

    async get(ctx: Context, id: string): Promise<Response> {
      return answer(await findWidget(ctx, db, id))
    },

    async update(
      ctx: Context,
      id: string,
      fields: WidgetFields,
      request: IncomingRequest,
    ): Promise<Response> {
      const versions = requiredVersions(request)
      return answer(await updateWidget(ctx, db, id, fields, versions))
    },

    async delete(ctx: Context, id: string, request: IncomingRequest): Promise<Response> {
      await deleteWidget(ctx, db, id, acceptedVersions(request))
      return new Response(null, { status: 204 })
    },
  }
}

function answer(
  widget: WidgetRow,
  { status = 200, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Response {
  return Response.json(toWidget(widget), { status, headers: { etag: etagOf(widget.version), ...headers } })
}
