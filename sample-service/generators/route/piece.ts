import type { Piece } from '../piece.ts'

/** One GET endpoint with validated input, typed output and a test: the smallest thing that is right, to be changed. */
export const route: Piece = {
  name: 'route',
  summary: 'one GET endpoint with validated input and typed output',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/routes.ts',
      within: 'routes',
      as: 'element',
      call: 'widgetRoutes',
      from: './widget/widget.routes.ts',
      takes: ['Platform'],
    },
  ],
  migration: false,
}
