import type { Piece } from '../../engine/piece.ts'

/** Server-sent events under a context, and what reads a table once for all who follow it. It comes with the first events. */
export const feed: Piece = {
  name: 'feed',
  summary: 'what sends events to clients',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'test/support/probe.routes.ts',
      within: 'routes',
      as: 'element',
      call: 'probeFeedRoutes',
      from: './probe.feeds.ts',
      takes: ['Platform'],
    },
  ],
  migration: false,
}
