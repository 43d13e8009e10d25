import type { Piece } from '../../engine/piece.ts'
import { inRoutes } from '../../engine/places.ts'
import { ownedFlag } from '../owned.ts'
import { rows } from '../rows/piece.ts'
import { fieldsFrom, grammar } from './fields.ts'

/** Rows that clients create, list, read, change and delete. The api, the schema and the test depend on the fields. */
export const resource: Piece = {
  name: 'resource',
  summary: 'rows that clients create, list, read, change and delete',
  explained: grammar,
  examples: [
    'invoice --fields "title:text, price:numeric(10,2), dueAt:timestamptz?, lines:jsonb"',
    'owner --fields "email:text unique, status:enum(on|off) default=on, tags:text[]"',
    'pet --fields "name:text index, ownerId:uuid->owners"',
  ],
  takes: 'noun',
  folder: import.meta.dirname,
  needs: rows,
  wirings: [{ ...inRoutes, call: 'widgetRoutes', from: './widgets/widgets.routes.ts' }],
  migration: true,
  flags: [
    {
      name: 'fields',
      asks: 'Fields, such as title:text, price:numeric(10,2), dueAt:timestamptz?, ownerId:uuid->owners',
      otherwise: () => 'title:text',
      check: fieldsFrom,
    },
    ownedFlag,
  ],
  shape: async (service, noun, { fields = '', owned }) => {
    const withFields = await (await import('./shape.ts')).shapeFor(service, noun, fields)
    if (owned !== 'yes') return withFields
    const withOwner = (await import('./owned.ts')).ownedResource(service, noun, fields)
    return (path, text) => withOwner(path, withFields(path, text))
  },
}
