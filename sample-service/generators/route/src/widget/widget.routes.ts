import type { Platform } from '../platform/platform.ts'
import { route, type Route } from '../platform/route.ts'
import { readWidget, WidgetAnswer, WidgetQuery } from './widget.handlers.ts'

/** `GET /widget`, with its place in `/openapi.json`. */
export function widgetRoutes(platform: Platform): Route[] {
  return [
    route({
      method: 'GET',
      path: '/widget',
      summary: 'Read the widget of a text',
      tags: ['widget'],
      query: WidgetQuery,
      responses: { 200: { description: 'The text and its length', body: WidgetAnswer } },
      handle: (ctx, input) => readWidget(ctx, platform.db, input.query),
    }),
  ]
}
