import type { Context } from '../context/context.ts'
import { feedOf } from '../platform/feed/feed.ts'
import { eventStream } from '../platform/feed/sse.ts'
import type { IncomingRequest, StreamedResponse } from '../platform/http/route.ts'
import type { Platform } from '../platform/platform.ts'
import { badRequest } from '../platform/problem.ts'
import { WidgetEventId, widgetList } from './widget.events.ts'

/** The handler of widget events. All clients of this process share one feed. */
export function widgetHandlers(platform: Platform) {
  const feed = feedOf(platform.log, widgetList(platform.db))
  return {
    /** Sends the events after `Last-Event-ID`, or without one all new events. Ends with ctx. @throws Problem 400 */
    async follow(ctx: Context, { headers }: IncomingRequest): Promise<StreamedResponse> {
      const last = headers['last-event-id']
      if (last !== undefined && !WidgetEventId.safeParse(last).success)
        throw badRequest('Last-Event-ID must be the id of an event that this service has sent')
      let place = await feed.begin(ctx, last?.toString())
      return eventStream(ctx, platform, async (ctx) => {
        const { entries, id } = await feed.next(ctx, place)
        place = id
        return entries
      })
    },
  }
}
