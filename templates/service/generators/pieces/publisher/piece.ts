import type { Piece } from '../../engine/piece.ts'
import { shapeForVersion } from '../broker/piece.ts'
import { outbox } from '../outbox/piece.ts'

/** An event that a transaction publishes. A worker hands it to the broker afterwards, for other services. */
export const publisher: Piece = {
  name: 'publisher',
  summary: 'an event that a transaction publishes to other services',
  examples: ['invoice-paid', 'invoice-paid-v2'],
  takes: 'name',
  folder: import.meta.dirname,
  needs: outbox,
  wirings: [
    {
      file: 'src/events.ts',
      within: 'events',
      as: 'item',
      call: 'widgetEvent',
      from: './widget/widget.event.ts',
      takes: [],
    },
  ],
  shape: shapeForVersion,
}
