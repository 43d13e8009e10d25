import { z } from 'zod'
import type { Platform } from '../platform/platform.ts'
import { route, type Route } from '../platform/http/route.ts'
import { Widget, WidgetFields, WidgetPage, WidgetQuery } from './widgets.api.ts'
import { widgetHandlers } from './widgets.handlers.ts'

const params = z.object({ id: z.uuid() })
const tags = ['widgets']
const ifMatch = 'The `ETag` that the client has read'

/** The HTTP surface of widgets. */
export function widgetRoutes(platform: Platform): Route[] {
  const widgets = widgetHandlers(platform)
  return [
    route({
      method: 'POST',
      path: '/widgets',
      summary: 'Create a widget',
      tags,
      body: WidgetFields,
      responses: { 201: { description: 'Created; `Location` has its path', body: Widget } },
      handle: (ctx, { body }) => widgets.create(ctx, body),
    }),
    route({
      method: 'GET',
      path: '/widgets',
      summary: 'List widgets, newest first',
      tags,
      query: WidgetQuery,
      responses: { 200: { description: 'One page, and the cursor of the next', body: WidgetPage } },
      handle: (ctx, { query }) => widgets.list(ctx, query),
    }),
    route({
      method: 'GET',
      path: '/widgets/:id',
      summary: 'Read one widget',
      tags,
      params,
      headers: { 'If-None-Match': 'The `ETag` of what the client has' },
      responses: {
        200: { description: 'Found; a change sends its `ETag` as `If-Match`', body: Widget },
        304: { description: 'The client has this version: `If-None-Match` has its `ETag`' },
        404: { description: 'No such widget' },
      },
      handle: (ctx, { params }) => widgets.get(ctx, params.id),
    }),
    route({
      method: 'PUT',
      path: '/widgets/:id',
      summary: 'Replace all fields of one widget',
      tags,
      params,
      headers: { 'If-Match': `${ifMatch}: required` },
      body: WidgetFields,
      responses: {
        200: { description: 'Changed', body: Widget },
        404: { description: 'No such widget' },
        412: { description: 'It has changed: `If-Match` does not have its `ETag`' },
        428: { description: '`If-Match` is missing' },
      },
      handle: (ctx, { params, body }, request) => widgets.update(ctx, params.id, body, request),
    }),
    route({
      method: 'DELETE',
      path: '/widgets/:id',
      summary: 'Delete one widget',
      tags,
      params,
      headers: { 'If-Match': ifMatch },
      responses: {
        204: { description: 'Deleted' },
        404: { description: 'No such widget' },
        409: { description: 'Another row refers to it' },
        412: { description: 'It has changed: `If-Match` does not have its `ETag`' },
      },
      handle: (ctx, { params }, request) => widgets.delete(ctx, params.id, request),
    }),
  ]
}
