import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test, type TestContext } from 'vitest'
import { eventually, running } from '../../test/support/client.ts'
import { parentsOf, uniqueOf } from '../../test/support/parents.ts'
import { sharedService } from '../../test/support/service.ts'
import { Widget, WidgetFields, WidgetPage } from './widgets.api.ts'
import { widgets } from './widgets.schema.ts'

/** The bodies of two widgets that differ in every field. */
const [one, other] = [{ title: 'one' }, { title: 'other' }]

const service = sharedService()
/** The references that every widget must have. */
let parents: Record<string, unknown> = {}
/** The fields that `one` and `other` leave out: references, and values that no other widget has. */
const others = () => ({ ...parents, ...uniqueOf(widgets) })

beforeEach(async () => {
  await service().sql('delete from widgets')
  parents = await parentsOf(service(), widgets)
})

function send(method: string, path: string, body?: object, headers?: Record<string, string>) {
  const json = body === undefined ? {} : { body: JSON.stringify(body) }
  const type = { 'content-type': 'application/json' }
  return fetch(service().url + path, { method, headers: { ...type, ...headers }, ...json })
}

async function create(fields: object = one): Promise<Widget> {
  const response = await send('POST', '/widgets', { ...others(), ...fields })
  expect(response.status).toBe(201)
  return Widget.parse(await response.json())
}

async function list(query: string): Promise<WidgetPage> {
  const response = await send('GET', `/widgets?${query}`)
  expect(response.status).toBe(200)
  return WidgetPage.parse(await response.json())
}

test('a widget reads as it was sent, and a client that has it gets a 304', async () => {
  const sent = { ...one, ...others() }
  const created = await send('POST', '/widgets', sent)

  expect(created.status).toBe(201)
  const widget = Widget.parse(await created.json())
  expect(widget).toMatchObject({ ...sent, version: 1 })
  const path = `/widgets/${widget.id}`
  expect(created.headers.get('location')).toBe(path)
  const found = await send('GET', path)
  expect(await found.json()).toEqual(widget)
  const etag = String(found.headers.get('etag'))
  expect(etag).toBe(created.headers.get('etag'))
  const known = await send('GET', path, undefined, { 'if-none-match': etag })
  expect([known.status, await known.text()]).toEqual([304, ''])
  expect((await send('GET', path, undefined, { 'if-match': '"7"' })).status).toBe(412)
})

test('an invalid field is refused by its name, and nothing is stored', async () => {
  const [name = ''] = Object.keys(WidgetFields.shape)
  const refused: [object, string][] = [
    [{ ...one, ...others(), unknown: 1 }, 'body'],
    // No type accepts NUL.
    [{ ...one, ...others(), [name]: '\0' }, `body.${name}`],
    [[], 'body'],
  ]
  // A reference to a missing row.
  for (const key of Object.keys(parents))
    refused.push([{ ...one, ...others(), [key]: uuidv7() }, `body.${key}`])
  for (const [body, field] of refused) {
    const response = await send('POST', '/widgets', body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ errors: [{ field }] })
  }
  for (const method of ['GET', 'DELETE']) {
    expect((await send(method, '/widgets/x')).status).toBe(400)
    expect((await send(method, `/widgets/${uuidv7()}`)).status).toBe(404)
  }
  expect(await service().sql('select id from widgets')).toEqual([])
})

test('the list is newest first, and its pages contain each widget once', async () => {
  const ids: string[] = []
  for (const fields of [one, other, one, other, one]) ids.unshift((await create(fields)).id)

  const first = await list('limit=3')
  await create()
  const second = await list(`limit=3&cursor=${first.nextCursor}`)

  expect([...first.widgets, ...second.widgets].map(({ id }) => id)).toEqual(ids)
  expect(second.nextCursor).toBeNull()
  for (const query of ['limit=0', 'limit=101', 'limit=', 'limit=0x10', 'limit=1e1', 'cursor=x', 'unknown=1'])
    expect((await send('GET', `/widgets?${query}`)).status, query).toBe(400)
})

test('the list can be filtered by each field', async () => {
  const sent = { ...one, ...uniqueOf(widgets) }
  const [wanted] = [await create(sent), await create(other)]
  for (const [name, value] of Object.entries<unknown>(sent)) {
    if (typeof value === 'object') continue
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const page = await list(new URLSearchParams({ [name]: text }).toString())
    expect(page.widgets, name).toEqual([wanted])
  }
})

test.for(Object.keys(uniqueOf(widgets)))('no two widgets have the same %s', async (name) => {
  const taken = await create()
  const { id } = await create()
  const sent = { ...one, ...others(), [name]: taken[name as keyof Widget] }
  for (const response of [
    await send('POST', '/widgets', sent),
    await send('PUT', `/widgets/${id}`, sent, { 'if-match': '*' }),
  ]) {
    expect(response.status).toBe(409)
    expect(await response.json()).toMatchObject({ errors: [{ field: `body.${name}` }] })
  }
})

test('a change replaces only the version that its client has read', async () => {
  const { id } = await create()
  const path = `/widgets/${id}`
  const fields = { ...other, ...others() }

  expect((await send('PUT', path, fields)).status).toBe(428)
  for (const etag of ['"2"', 'W/"1"', '"x"', '"1'])
    expect((await send('PUT', path, fields, { 'if-match': etag })).status, etag).toBe(412)
  for (const tags of ['*', '"1"', 'W/"1"'])
    expect((await send('PUT', path, fields, { 'if-match': '*', 'if-none-match': tags })).status, tags).toBe(
      412,
    )
  expect(await (await send('GET', path)).json()).toMatchObject({ ...one, version: 1 })

  const changed = await send('PUT', path, fields, { 'if-match': '"7", "1"' })
  expect([changed.status, changed.headers.get('etag')]).toEqual([200, '"2"'])
  expect(await changed.json()).toMatchObject({ ...fields, id, version: 2 })
  expect((await send('PUT', path, fields, { 'if-match': '*' })).status).toBe(200)
  expect((await send('PUT', `/widgets/${uuidv7()}`, fields, { 'if-match': '*' })).status).toBe(404)
})

test('one of two changes to the same version is refused', async () => {
  const { id } = await create()
  const change = async () =>
    (await send('PUT', `/widgets/${id}`, { ...other, ...others() }, { 'if-match': '"1"' })).status
  expect((await Promise.all([change(), change()])).sort()).toEqual([200, 412])
})

test('a deletion is refused if the widget has changed since its client read it', async () => {
  const { id } = await create()
  const path = `/widgets/${id}`
  expect((await send('DELETE', path, undefined, { 'if-match': '"2"' })).status).toBe(412)
  for (const tags of ['*', '"1"', 'W/"1"', '"a,b", "1"'])
    expect((await send('DELETE', path, undefined, { 'if-none-match': tags })).status, tags).toBe(412)
  expect((await send('DELETE', `/widgets/${uuidv7()}`, undefined, { 'if-none-match': '*' })).status).toBe(404)
  expect((await send('DELETE', path, undefined, { 'if-match': '"1"' })).status).toBe(204)
  for (const method of ['GET', 'DELETE']) expect((await send(method, path)).status).toBe(404)
})

test('/openapi.json documents widgets', async () => {
  const { paths } = (await (await send('GET', '/openapi.json')).json()) as { paths: Record<string, object> }
  expect(Object.keys(paths['/widgets'] ?? {})).toEqual(['post', 'get'])
  expect(Object.keys(paths['/widgets/{id}'] ?? {})).toEqual(['get', 'put', 'delete'])
})

describe.for([
  ['POST', '', 'insert into'],
  ['GET', '', 'order by'],
  ['GET', '/:id', 'where'],
  ['PUT', '/:id', 'update'],
  ['DELETE', '/:id', 'delete from'],
] as const)('the statement of %s /widgets%s', ([method, rest, part]) => {
  /** Sends the request while another connection has locked the table. */
  async function stuck(t: TestContext) {
    const path = `/widgets${rest.replace(':id', (await create()).id)}`
    const body = method === 'POST' || method === 'PUT' ? { ...one, ...others() } : undefined
    const locker = await service().connect()
    await locker.query('begin; lock table widgets in access exclusive mode')
    t.onTestFinished(async () => {
      await locker.query('rollback')
    })
    return { path, body }
  }

  test('ends in Postgres when its client leaves', async (t) => {
    const { path, body } = await stuck(t)
    const client = new AbortController()
    const answer = fetch(service().url + path, {
      method,
      headers: { 'content-type': 'application/json', 'if-match': '*', 'x-request-id': t.task.id },
      ...(body && { body: JSON.stringify(body) }),
      signal: client.signal,
    })
    const left = expect(answer).rejects.toThrow()
    await eventually(async () => (await running(service(), part)) === 1)

    client.abort()

    await left
    expect(await eventually(async () => (await running(service(), part)) === 0)).toBeLessThan(1_000)
    const line = await service().line(({ requestId }) => requestId === t.task.id)
    expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  })

  test('ends in Postgres at its deadline, and the answer is a 504', async (t) => {
    const { path, body } = await stuck(t)
    const headers = { 'if-match': '*', 'x-envoy-expected-rq-timeout-ms': '200' }

    expect((await send(method, path, body, headers)).status).toBe(504)

    await eventually(async () => (await running(service(), part)) === 0)
  })
})
