import type { Piece } from '../piece.ts'
import { isMethod, isPath, methods, shapeFor } from './shape.ts'

/** One endpoint with validated input, typed output and a test: the smallest thing that is right, to be changed. */
export const route: Piece = {
  name: 'route',
  summary: 'one endpoint with validated input and typed output',
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
  flags: [
    {
      name: 'method',
      asks: `Its method, ${methods.join(', ')}`,
      otherwise: () => 'GET',
      check: (value) => {
        if (!isMethod(value))
          throw new Error(`--method is to be one of ${methods.join(', ')}, not ${JSON.stringify(value)}.`)
      },
    },
    {
      name: 'path',
      asks: 'Its path, such as /reports/:id',
      otherwise: (noun) => `/${noun.singular}`,
      check: (value) => {
        if (!isPath(value))
          throw new Error(`--path is to be a path such as /reports/:id, not ${JSON.stringify(value)}.`)
      },
    },
  ],
  shape: (_service, noun, { method = '', path = '' }) => Promise.resolve(shapeFor(noun, method, path)),
}
