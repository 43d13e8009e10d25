import type { Piece } from '../../engine/piece.ts'
import { inRoutes } from '../../engine/places.ts'
import { ownedFlag, ownedShape } from '../owned.ts'

/**
 * Files that clients upload, list, read and delete. Workers under the request's context stream them to the storage; each file has
 * a row.
 */
export const upload: Piece = {
  name: 'upload',
  summary: 'files that clients upload, list, download and delete',
  examples: ['invoice', 'foto --plural fotos', 'receipt --owned'],
  takes: 'noun',
  folder: import.meta.dirname,
  wirings: [
    { ...inRoutes, call: 'widgetRoutes', from: './widgets/widgets.routes.ts' },
    {
      file: 'src/prepare.ts',
      within: 'prepare',
      as: 'statement',
      call: 'sweepWidgets',
      from: './widgets/widgets.uploads.ts',
      takes: ['Context', 'Platform'],
    },
  ],
  migration: true,
  flags: [ownedFlag],
  shape: async (service, noun, { owned }) =>
    owned === 'yes' ? ownedShape(service, noun, (await import('./owned.ts')).changes) : (_path, text) => text,
}
