import { column, found, owner, withPrincipal, type Changes } from '../owned.ts'

/** What `--owned` changes. The owner is set where a row is made, under the context of the request. */
export const changes: Changes = {
  schema: [
    column,
    [
      "index('widgets_created_at_id_idx').on(table.createdAt, table.id)",
      "index('widgets_owner_created_at_id_idx').on(table.owner, table.createdAt, table.id)",
    ],
  ],
  repository: [
    ['import { desc, eq, inArray, sql }', 'import { and, desc, eq, inArray, sql }'],
    withPrincipal("import type { Context } from '../context/context.ts'\n"),
    ...found,
    ['.where(behind)', `.where(and(eq(widgets.owner, ${owner}), behind))`],
    [
      'q.delete(widgets).where(eq(widgets.id, id))',
      `q.delete(widgets).where(and(eq(widgets.id, id), eq(widgets.owner, ${owner})))`,
    ],
  ],
  uploads: [
    withPrincipal("import { group } from '../context/group.ts'\n"),
    [
      'return { id, name, contentType, ...stored }',
      `return { id, owner: ${owner}, name, contentType, ...stored }`,
    ],
  ],
  test: [
    [
      /$/,
      `
test('a widget of another caller is not there: it is not read, deleted or listed', async (t) => {
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  const env = { AUTH: 'required', AUTH_API_KEYS: \`ada:\${hash('a')}, bob:\${hash('b')}\` }
  const service = await startService(t, { env })
  const as = (key: string, method: string, path: string, body?: FormData) =>
    fetch(\`\${service.url}/widgets\${path}\`, { method, headers: { 'x-api-key': key }, ...(body && { body }) })
  const body = new FormData()
  body.append('widget', new Blob(['x']), 'x')
  const [widget] = Widgets.parse(await (await as('a', 'POST', '', body)).json()).widgets
  const path = \`/\${widget?.id ?? ''}\`

  for (const [method, rest] of [['GET', ''], ['GET', '/content'], ['HEAD', '/content'], ['DELETE', '']] as const)
    expect((await as('b', method, path + rest)).status, method + rest).toBe(404)
  expect(await (await as('b', 'GET', '')).json()).toEqual({ widgets: [], nextCursor: null })
  expect(await (await as('a', 'GET', \`\${path}/content\`)).text()).toBe('x')
  expect(WidgetPage.parse(await (await as('a', 'GET', '')).json()).widgets).toEqual([widget])
  expect((await as('a', 'DELETE', path)).status).toBe(204)
})
`,
    ],
  ],
}
