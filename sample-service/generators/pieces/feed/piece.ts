import type { Piece } from '../../engine/piece.ts'
import { inProbes } from '../../engine/places.ts'

/**
 * Server-sent events under a context, and a feed that reads a table once for all clients. `npm run add` adds it with the first
 * events.
 */
export const feed: Piece = {
  name: 'feed',
  summary: 'server-sent events to clients',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [{ ...inProbes, call: 'probeFeedRoutes', from: './probe.feeds.ts' }],
}
