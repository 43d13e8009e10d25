import { z } from 'zod'
import type { Platform } from '../platform/platform.ts'
import { route, type Route } from '../platform/http/route.ts'
import { integerParameter } from '../platform/http/values.ts'
import { Cursor, Widget, WidgetPage, Widgets } from './widgets.api.ts'
import { widgetHandlers } from './widgets.handlers.ts'

const params = z.object({ id: z.uuid() })
const query = z.object({
  limit: integerParameter(1, 100)
    .default(20)
    .meta({ override: { default: 20 } }),
  cursor: Cursor.optional(),
})
const tags = ['widgets']

/** The HTTP surface of widgets. */
export function widgetRoutes(platform: Platform): Route[] {
  const { timeoutMs } = platform.uploads
  const widgets = widgetHandlers(platform)
  return [
    route({
      method: 'POST',
      path: '/widgets',
      summary: 'Upload one or more widgets: the service stores all of them, or none',
      tags,
      timeoutMs,
      files: 'widget',
      responses: {
        201: { description: 'Stored, in the order of the request', body: Widgets },
        400: { description: 'The body is incomplete, or has anything other than files in the field' },
        408: { description: 'The client stopped sending' },
        413: { description: 'Too many files, or a file is too large' },
        415: { description: 'Not multipart/form-data' },
        507: { description: 'The storage has no room' },
      },
      handle: (ctx, _input, request) => widgets.upload(ctx, request),
    }),
    route({
      method: 'GET',
      path: '/widgets',
      summary: 'List widgets, newest first',
      tags,
      query,
      responses: { 200: { description: 'One page, and the cursor of the next', body: WidgetPage } },
      handle: (ctx, { query }) => widgets.list(ctx, query),
    }),
    route({
      method: 'GET',
      path: '/widgets/:id',
      summary: 'Read the metadata of one widget',
      tags,
      params,
      responses: {
        200: { description: 'Found', body: Widget },
        304: { description: 'The client has this version: `If-None-Match` has its `ETag`' },
        404: { description: 'No such widget' },
      },
      handle: (ctx, { params }) => widgets.get(ctx, params.id),
    }),
    route({
      method: 'GET',
      path: '/widgets/:id/content',
      summary: 'Download one widget, or a range of its bytes',
      tags,
      timeoutMs,
      params,
      responses: {
        200: { description: 'All bytes', contentType: 'application/octet-stream' },
        206: { description: 'The requested range', contentType: 'application/octet-stream' },
        304: { description: 'The client has these bytes' },
        404: { description: 'No such widget' },
        416: { description: 'The range is outside the file' },
      },
      handle: (ctx, { params }, request) => widgets.content(ctx, params.id, request),
    }),
    route({
      method: 'DELETE',
      path: '/widgets/:id',
      summary: 'Delete one widget',
      tags,
      params,
      responses: {
        204: { description: 'Deleted' },
        404: { description: 'No such widget' },
        412: { description: '`If-Match` or `If-None-Match` does not hold' },
      },
      handle: (ctx, { params }, request) => widgets.delete(ctx, params.id, request),
    }),
  ]
}
