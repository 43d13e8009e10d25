import type { Piece } from '../../engine/piece.ts'
import { shapeForVersion } from '../broker/piece.ts'
import { inbox } from '../inbox/piece.ts'

/** Handles an event of another service: once in effect, in the order of its key. */
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
    'Events that are held, or still in the broker, are no longer handled. If you add the consumer again within a week, it handles them.',
}
