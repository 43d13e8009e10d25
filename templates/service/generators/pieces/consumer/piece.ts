import type { Piece } from '../../engine/piece.ts'
import { shapeForVersion } from '../broker/piece.ts'
import { inbox } from '../inbox/piece.ts'

/** What this service does about an event of another one: once in effect, in the order of its key. */
export const consumer: Piece = {
  name: 'consumer',
  summary: 'a handler for an event that another service publishes',
  examples: ['invoice-paid', 'invoice-paid-v2'],
  takes: 'name',
  folder: import.meta.dirname,
  needs: inbox,
  wirings: [
    {
      file: 'src/consumers.ts',
      within: 'consumers',
      as: 'item',
      call: 'widgetConsumer',
      from: './widget/widget.consumer.ts',
      takes: ['Platform'],
    },
  ],
  shape: shapeForVersion,
  leaves:
    'Events that are held, or still in the broker, are not handled any more. Add the consumer again within a week, and it goes on with them.',
}
