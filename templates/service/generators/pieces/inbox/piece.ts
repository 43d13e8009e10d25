import type { Piece } from '../../engine/piece.ts'
import { inSchemas, inWorkers } from '../../engine/places.ts'
import { broker } from '../broker/piece.ts'

/** Handles events from the broker. `npm run add` adds it with the first consumer. */
export const inbox: Piece = {
  name: 'inbox',
  summary: 'handling of events from the broker',
  takes: 'name',
  folder: import.meta.dirname,
  needs: broker,
  wirings: [
    { ...inWorkers, call: 'consumersWorker', from: './consumers.ts' },
    { ...inSchemas, call: 'inboxSchema', from: './events/inbox-schema.ts' },
  ],
  leaves:
    'The tables events.held and events.handled stay: drop them when you no longer need the held events.',
  scripts: { parked: 'node --import ./scripts/tsx.js scripts/events/parked.ts' },
}
