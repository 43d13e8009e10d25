import type { Piece } from '../../engine/piece.ts'
import { inRoutes } from '../../engine/places.ts'
import { feed } from '../feed/piece.ts'

/** Events that a transaction publishes and clients follow: server-sent events, which a browser reads with `EventSource`. */
export const events: Piece = {
  name: 'events',
  summary: 'events that clients follow, sent as server-sent events',
  examples: ['order-status'],
  takes: 'name',
  folder: import.meta.dirname,
  needs: feed,
  wirings: [{ ...inRoutes, call: 'widgetRoutes', from: './widget/widget.routes.ts' }],
  migration: true,
}
