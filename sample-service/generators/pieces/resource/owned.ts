import { column, found, ownedShape, owner, withPrincipal, type Changes } from '../owned.ts'
import type { Noun } from '../../engine/names.ts'
import type { Shape } from '../../engine/piece.ts'

const changes: Changes = {
  schema: [column],
  repository: [
    withPrincipal("import type { Database } from '../platform/database/database.ts'\n"),
    ...found,
    ['.where(and(equalTo(', `.where(and(eq(widgets.owner, ${owner}), equalTo(`],
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

/** Throws an Error of one sentence if the service does not know who calls, or a field has the name of the column. */
export function ownedResource(service: string, noun: Noun, fields: string): Shape {
  const shape = ownedShape(service, noun, changes)
  if (/(?:^|,)\s*owner\s*:/.test(fields))
    throw new Error('--owned adds a column owner: give the field of that name another one.')
  return (path, text) => shape(path, path.endsWith('.schema.ts') ? indexed(text, noun) : text)
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
