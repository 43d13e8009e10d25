import { fieldsFrom, type Field } from './fields.ts'
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
  const same = await as('b', 'POST', '/widgets', fields)

  for (const method of ['GET', 'PUT', 'DELETE'])
    expect((await as('b', method, path, method === 'PUT' ? fields : undefined)).status).toBe(404)
  // A unique field is unique among the rows of one owner.
  expect(same.status).toBe(201)
  expect((await as('b', 'DELETE', same.headers.get('location') ?? '')).status).toBe(204)
  expect(await (await as('b', 'GET', '/widgets')).json()).toEqual({ widgets: [], nextCursor: null })
  expect((await as('a', 'GET', path)).status).toBe(200)
  expect((await as('a', 'DELETE', path)).status).toBe(204)
})
`,
    ],
  ],
}

/** Throws an Error of one sentence if the service lacks the piece auth, or a field has the name of the column. */
export function ownedResource(service: string, noun: Noun, fields: string): Shape {
  const shape = ownedShape(service, noun, changes)
  const all = fieldsFrom(fields)
  if (all.some(({ name }) => name === 'owner'))
    throw new Error('--owned adds a column owner: give your field of that name another name.')
  const keys = keysOf(noun.plural.replaceAll('-', '_'), all)
  return (path, text) => shape(path, path.endsWith('.schema.ts') ? keyed(text, keys) : text)
}

/** An index by owner and id, and a constraint for each unique field, per owner: a 409 must not reveal the rows of others. */
function keysOf(table: string, fields: readonly Field[]): readonly string[] {
  const unique = fields.filter((field) => field.unique)
  return [
    `index('${table}_owner_id_idx').on(table.owner, table.id)`,
    ...unique.map(({ name, column }) => {
      const constraint = `${table}_owner_${column}_unique`
      if (constraint.length <= 63) return `unique('${constraint}').on(table.owner, table.${name})`
      throw new Error(
        `--fields: "${name}" needs the name ${constraint} in Postgres, which is longer than 63 bytes: choose a shorter name.`,
      )
    }),
  ]
}

/** Replaces the constraints over all rows by `keys`, and adds the imports that these and the column need. */
function keyed(text: string, keys: readonly string[]): string {
  const schema = text.replaceAll('.unique()', '')
  const list = schema.includes(', (table) => [')
    ? schema.replace(', (table) => [', `, (table) => [${keys.join(', ')}, `)
    : schema.replace(/\n\}\)/, `\n}, (table) => [${keys.join(', ')}])`)
  return list.replace(/import \{([^}]*)\} from 'drizzle-orm\/pg-core'/, (_all, names: string) => {
    const all = new Set([
      ...names
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
      'index',
      'text',
      ...(keys.length > 1 ? ['unique'] : []),
    ])
    const sorted = Array.from(all).sort((a, b) =>
      a.replace('type ', '').localeCompare(b.replace('type ', ''), 'en'),
    )
    return `import { ${sorted.join(', ')} } from 'drizzle-orm/pg-core'`
  })
}
