import { route, type Route } from '../platform/http/route.ts'
import type { Platform } from '../platform/platform.ts'
import { widgetHandlers } from './widget.handlers.ts'

/** The HTTP surface of widget. */
export function widgetRoutes(platform: Platform): Route[] {
  const widget = widgetHandlers(platform)
  return [
    route({
      method: 'GET',
      path: '/widget/events',
      summary: 'Follow the events of widget',
      tags: ['widget'],
      // A client reconnects by itself when its stream has ended.
      timeoutMs: 3_600_000,
      headers: { 'Last-Event-ID': 'The id of the last event that the client got' },
      responses: {
        200: { description: 'Server-sent events until the stream ends', contentType: 'text/event-stream' },
        400: { description: '`Last-Event-ID` is not the id of an event' },
      },
      handle: (ctx, _input, request) => widget.follow(ctx, request),
    }),
  ]
}
