import type { Piece } from '../../engine/piece.ts'
import { inSchemas, inWorkers } from '../../engine/places.ts'
import { broker } from '../broker/piece.ts'

/** Handles events from the broker. It comes with the first consumer. */
export const inbox: Piece = {
  name: 'inbox',
  summary: 'what handles events from the broker',
  takes: 'name',
  folder: import.meta.dirname,
  needs: broker,
  wirings: [
    { ...inWorkers, call: 'consumersWorker', from: './consumers.ts' },
    { ...inSchemas, call: 'inboxSchema', from: './events/inbox-schema.ts' },
  ],
  leaves:
    'The tables events.held and events.handled stay: drop them if no held event is to be handled any more.',
  scripts: { parked: 'node --import ./scripts/tsx.js scripts/events/parked.ts' },
}
