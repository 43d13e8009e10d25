import type { Piece } from '../../engine/piece.ts'
import { inProbes } from '../../engine/places.ts'

/** Server-sent events under a context, and what reads a table once for all who follow it. It comes with the first events. */
export const feed: Piece = {
  name: 'feed',
  summary: 'what sends events to clients',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [{ ...inProbes, call: 'probeFeedRoutes', from: './probe.feeds.ts' }],
}
