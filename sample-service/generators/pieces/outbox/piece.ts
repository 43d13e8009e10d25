import type { Piece } from '../../engine/piece.ts'
import { broker } from '../broker/piece.ts'

/** Hands committed events to the broker. It comes with the first publisher. */
export const outbox: Piece = {
  name: 'outbox',
  summary: 'what hands events to the broker',
  takes: 'name',
  folder: import.meta.dirname,
  needs: broker,
  wirings: [
    {
      file: 'src/workers.ts',
      within: 'workers',
      as: 'item',
      call: 'outboxWorker',
      from: './platform/events/relay.ts',
      takes: ['Platform'],
    },
    {
      file: 'src/platform/schemas.ts',
      within: 'schemas',
      as: 'item',
      call: 'outboxSchema',
      from: './events/outbox-schema.ts',
      takes: [],
    },
    {
      file: 'src/routes.ts',
      within: 'routes',
      as: 'element',
      call: 'publishedEventRoutes',
      from: './events.ts',
      takes: [],
    },
    {
      file: 'test/support/probe.routes.ts',
      within: 'routes',
      as: 'element',
      call: 'probeEventRoutes',
      from: './probe.events.ts',
      takes: ['Platform'],
    },
  ],
  migration: false,
  leaves: 'The table events.outbox stays, and nothing sends its rows any more: drop it once it is empty.',
}
