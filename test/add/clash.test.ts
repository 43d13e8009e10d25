import { expect, test } from 'vitest'
import { add, edit, newService } from '../support/added-service.ts'

test('a route that another one, or a page of the service, answers already is refused', async () => {
  const service = newService()
  edit(
    service,
    'src/books/books.routes.ts',
    () => `export const bookRoutes = [
  route({ method: 'GET', path: '/books/:id' }),
  route({ method: 'POST', path: '/shelves/:shelf/books' }),
]
`,
  )
  const refused = async (...args: string[]): Promise<string> => {
    const { code, err } = await add(service, 'route', 'one', '--dry-run', ...args)
    expect(code, args.join(' ')).toBe(1)
    return err
  }

  expect(await refused('--path', '/docs')).toMatch(
    /^GET \/docs is already handled by src\/platform\/http\/openapi\.ts: /,
  )
  expect(await refused('--path', '/livez')).toMatch(
    /^GET \/livez is already handled by src\/health\/health\.routes\.ts: /,
  )
  expect(await refused('--path', '/:page')).toContain(
    'handled by src/platform/http/openapi.ts, GET /openapi.json: ',
  )
  expect(await refused('--path', '/books/latest')).toMatch(
    /handled by src\/books\/books\.routes\.ts, GET \/books\/:id: /,
  )
  expect(await refused('--path', '/books/:isbn')).toMatch(
    /^\/books\/:isbn is the path \/books\/:id of src\/books\/books\.routes\.ts with other names/,
  )
  expect(await refused('--path', '/a/:id/:id')).toBe(
    '--path /a/:id/:id has the parameter :id twice: give each a name of its own.\n',
  )

  for (const path of ['/', '/shelves/:shelf']) {
    expect(await add(service, 'route', 'one', '--dry-run', '--path', path), path).toMatchObject({
      code: 0,
      err: '',
    })
  }
  expect((await add(service, 'route', 'one', '--dry-run', '--method', 'POST', '--path', '/docs')).code).toBe(
    0,
  )
})
