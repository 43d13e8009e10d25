import type { Platform } from '../platform/platform.ts'
import { route, type Route } from '../platform/http/route.ts'
import { answerWidget, WidgetAnswer, WidgetInput } from './widget.handlers.ts'

/** The endpoint of widget, with its place in `/openapi.json`. */
export function widgetRoutes(platform: Platform): Route[] {
  return [
    route({
      method: 'GET',
      path: '/widget',
      summary: 'Answer a widget with a text and its length',
      tags: ['widget'],
      query: WidgetInput,
      responses: { 200: { description: 'The text and its length', body: WidgetAnswer } },
      handle: (ctx, input) => answerWidget(ctx, platform.db, input.query),
    }),
  ]
}
