import type { Piece } from '../../engine/piece.ts'
import { inProbes, inRoutes, inSchemas, inWorkers } from '../../engine/places.ts'
import { broker } from '../broker/piece.ts'

/** Hands committed events to the broker. `npm run add` adds it with the first publisher. */
export const outbox: Piece = {
  name: 'outbox',
  summary: 'sending of events to the broker',
  takes: 'name',
  folder: import.meta.dirname,
  needs: broker,
  wirings: [
    { ...inWorkers, call: 'outboxWorker', from: './platform/events/relay.ts' },
    { ...inSchemas, call: 'outboxSchema', from: './events/outbox-schema.ts' },
    { ...inRoutes, call: 'publishedEventRoutes', from: './events.ts', takes: [] },
    { ...inProbes, call: 'probeEventRoutes', from: './probe.events.ts' },
  ],
  leaves:
    'The table events.outbox stays, but nothing sends its rows any more: drop it once you no longer need them.',
}
