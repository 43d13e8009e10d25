import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stampNames, type Noun } from '../../engine/names.ts'
import type { Shape } from '../../engine/piece.ts'

/** A text of a stamped file, which says widget, and what takes its place. */
type Change = readonly [from: string | RegExp, to: string]

const owner = 'principalOf(ctx).id'

/** What `--owned` changes in each kind of file. The row's owner is never in an answer. */
const changes: Readonly<Record<string, readonly Change[]>> = {
  schema: [
    [
      "  id: uuid('id').primaryKey(),\n",
      "  id: uuid('id').primaryKey(),\n  /** The principal whose row it is. */\n  owner: text('owner').notNull(),\n",
    ],
  ],
  repository: [
    [
      "import type { Database } from '../platform/database/database.ts'\n",
      "import { principalOf } from '../platform/auth/principal.ts'\nimport type { Database } from '../platform/database/database.ts'\n",
    ],
    ['.where(and(equalTo(', `.where(and(eq(widgets.owner, ${owner}), equalTo(`],
    ['value: Values<{ id: string }>', 'value: Values<{ id: string; owner: string }>'],
    [
      ".where(eq(widgets.id, value('id')))",
      ".where(and(eq(widgets.id, value('id')), eq(widgets.owner, value('owner'))))",
    ],
    ['byId(q, { id })', `byId(q, { id, owner: ${owner} })`],
    ['.values({ id: uuidv7(), ...fields })', `.values({ id: uuidv7(), owner: ${owner}, ...fields })`],
    ['.set(changes).where(hasVersion(id, versions))', '.set(changes).where(hasVersion(ctx, id, versions))'],
    [
      '.delete(widgets).where(hasVersion(id, versions))',
      '.delete(widgets).where(hasVersion(ctx, id, versions))',
    ],
    ['function hasVersion(id: string,', 'function hasVersion(ctx: Context, id: string,'],
    ['    eq(widgets.id, id),\n', `    eq(widgets.id, id),\n    eq(widgets.owner, ${owner}),\n`],
  ],
  test: [
    [
      "import { v7 as uuidv7 } from 'uuid'\n",
      "import { createHash } from 'node:crypto'\nimport { v7 as uuidv7 } from 'uuid'\n",
    ],
    [
      "import { sharedService } from '../../test/support/service.ts'",
      "import { sharedService, startService } from '../../test/support/service.ts'",
    ],
    [
      /$/,
      `
test('a widget of another caller is not there: it is not read, changed, deleted or listed', async (t) => {
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  const env = { AUTH: 'required', AUTH_API_KEYS: \`ada:\${hash('a')}, bob:\${hash('b')}\` }
  const own = await startService(t, { env })
  const as = (key: string, method: string, path: string, body?: object) =>
    fetch(own.url + path, {
      method,
      headers: { 'content-type': 'application/json', 'x-api-key': key, 'if-match': '*' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  const fields = { ...one, ...(await parentsOf(own, widgets)), ...uniqueOf(widgets) }
  const created = await as('a', 'POST', '/widgets', fields)
  expect(created.status).toBe(201)
  const path = created.headers.get('location') ?? ''

  for (const method of ['GET', 'PUT', 'DELETE'])
    expect((await as('b', method, path, method === 'PUT' ? fields : undefined)).status).toBe(404)
  expect(await (await as('b', 'GET', '/widgets')).json()).toEqual({ widgets: [], nextCursor: null })
  expect((await as('a', 'GET', path)).status).toBe(200)
  expect((await as('a', 'DELETE', path)).status).toBe(204)
})
`,
    ],
  ],
}

/**
 * Returns the function that makes each row belong to the principal that creates it: for others it is 404. Throws an Error of one
 * sentence if the service does not know who calls, or a field has the name of the column.
 */
export function ownedShape(service: string, noun: Noun, fields: string): Shape {
  if (!existsSync(join(service, 'src/platform/auth/principal.ts')))
    throw new Error('--owned needs to know who calls: run npm run add -- auth first.')
  if (/(?:^|,)\s*owner\s*:/.test(fields))
    throw new Error('--owned adds a column owner: give the field of that name another one.')
  return (path, text) => {
    const [, kind = ''] = /\.(schema|repository|test)\.ts$/.exec(path) ?? []
    const before = kind === 'schema' ? indexed(text, noun) : text
    return (changes[kind] ?? []).reduce((changed, [from, to]) => {
      const wanted = typeof from === 'string' ? stampNames(from, noun) : from
      const after = changed.replace(wanted, () => stampNames(to, noun))
      if (after === changed) throw new Error(`--owned does not find its place in ${path}: ${String(wanted)}`)
      return after
    }, before)
  }
}

/** Adds an index by owner and id, and the imports of the column's and the index's functions. */
function indexed(schema: string, noun: Noun): string {
  const index = `index('${noun.plural.replaceAll('-', '_')}_owner_id_idx').on(table.owner, table.id)`
  const list = schema.includes(', (table) => [')
    ? schema.replace(', (table) => [', `, (table) => [${index}, `)
    : schema.replace(/\n\}\)/, `\n}, (table) => [${index}])`)
  return list.replace(/import \{(.*?)\} from 'drizzle-orm\/pg-core'/s, (_all, names: string) => {
    const all = new Set([
      ...names
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
      'index',
      'text',
    ])
    const sorted = Array.from(all).sort((a, b) =>
      a.replace('type ', '').localeCompare(b.replace('type ', ''), 'en'),
    )
    return `import { ${sorted.join(', ')} } from 'drizzle-orm/pg-core'`
  })
}
