import type { Piece } from '../../engine/piece.ts'

/** Files that clients upload, list, read and delete: streamed to storage by workers under the request, with a row for each. */
export const upload: Piece = {
  name: 'upload',
  summary: 'files that clients upload, list, read and delete',
  examples: ['invoice', 'foto --plural fotos'],
  takes: 'noun',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/routes.ts',
      within: 'routes',
      as: 'element',
      call: 'widgetRoutes',
      from: './widgets/widgets.routes.ts',
      takes: ['Platform'],
    },
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
}
