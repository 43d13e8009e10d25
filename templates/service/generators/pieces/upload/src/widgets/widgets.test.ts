import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { sharedService, startService, type RunningService } from '../../test/support/service.ts'
import { Widget, WidgetPage, Widgets } from './widgets.api.ts'

const shared = sharedService()
/** Its tests leave nothing in it. */
const empty = sharedService({ env: { UPLOAD_MAX_BYTES: '100000', UPLOAD_MAX_FILES: '2' } })

interface Sent {
  readonly name: string
  readonly bytes: string | Buffer<ArrayBuffer>
  readonly type?: string
}

function send(service: RunningService, ...all: Sent[]): Promise<Response> {
  const body = new FormData()
  for (const { name, bytes, type = '' } of all) body.append('widget', new Blob([bytes], { type }), name)
  return fetch(`${service.url}/widgets`, { method: 'POST', body })
}

/** Uploads all in one request, which the service must accept. */
async function store(service: RunningService, ...all: Sent[]): Promise<Widget[]> {
  const response = await send(service, ...all)
  expect(response.status).toBe(201)
  return Widgets.parse(await response.json()).widgets
}

async function storeOne(service: RunningService, one: Sent): Promise<Widget> {
  const [widget] = await store(service, one)
  return Widget.parse(widget)
}

async function list(service: RunningService, query: string): Promise<WidgetPage> {
  const response = await fetch(`${service.url}/widgets?${query}`)
  expect(response.status).toBe(200)
  return WidgetPage.parse(await response.json())
}

async function expectNothingStored(service: RunningService): Promise<void> {
  expect(await readdir(service.uploadDir)).toEqual([])
  expect(await service.sql('select id from widgets')).toEqual([])
}

test('an uploaded file comes back byte for byte, with its hash, name and type', async () => {
  const service = shared()
  const bytes = randomBytes(2_000_000)

  const widget = await storeOne(service, { name: 'naïve "中" 🎉.png', bytes, type: 'image/png' })

  expect(widget).toMatchObject({
    name: 'naïve "中" 🎉.png',
    contentType: 'image/png',
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })
  const found = await fetch(`${service.url}/widgets/${widget.id}`)
  expect(await found.json()).toEqual(widget)
  const content = await fetch(`${service.url}/widgets/${widget.id}/content`)
  expect(bytes.equals(Buffer.from(await content.arrayBuffer()))).toBe(true)
  expect(Object.fromEntries(content.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-length': String(bytes.length),
    'content-disposition': `attachment; filename="na_ve ___ _.png"; filename*=UTF-8''na%C3%AFve%20%22%E4%B8%AD%22%20%F0%9F%8E%89.png`,
    'x-content-type-options': 'nosniff',
    etag: `"${widget.sha256}"`,
  })
})

test('a row that cannot be written leaves no file of its request', async () => {
  const service = empty()
  await service.sql("alter table widgets add constraint widgets_name_check check (name <> 'refused')")

  const response = await send(service, { name: 'accepted', bytes: 'x' }, { name: 'refused', bytes: 'x' })

  expect(response.status).toBe(500)
  await expectNothingStored(service)
})

test('the list is newest first, and its pages contain each widget once', async (t) => {
  const service = await startService(t)
  for (const name of ['a', 'b', 'c'])
    await store(service, { name: `${name}1`, bytes: 'x' }, { name: `${name}2`, bytes: 'x' })

  const first = await list(service, 'limit=4')
  await store(service, { name: 'late', bytes: 'x' })
  const second = await list(service, `limit=4&cursor=${first.nextCursor}`)

  const names = [first, second].map(({ widgets }) => widgets.map(({ name }) => name))
  expect(names).toEqual([
    ['c2', 'c1', 'b2', 'b1'],
    ['a2', 'a1'],
  ])
  expect(second.nextCursor).toBeNull()
  expect((await list(service, '')).widgets).toHaveLength(7)
})

test('a client can read a range of the content, and gets a 304 for content that it has', async () => {
  const service = shared()
  const { id, sha256 } = await storeOne(service, { name: 'digits', bytes: '0123456789' })
  const read = (headers: Readonly<{ [name: string]: string }>): Promise<Response> =>
    fetch(`${service.url}/widgets/${id}/content`, { headers })

  const some = await read({ range: 'bytes=2-4' })
  expect([some.status, some.headers.get('content-range'), await some.text()]).toEqual([
    206,
    'bytes 2-4/10',
    '234',
  ])
  const outside = await read({ range: 'bytes=10-' })
  expect([outside.status, outside.headers.get('content-range')]).toEqual([416, 'bytes */10'])
  expect((await read({ 'if-none-match': `"${sha256}"` })).status).toBe(304)
  expect((await read({ 'if-match': '"other"' })).status).toBe(412)
  const head = await fetch(`${service.url}/widgets/${id}/content`, {
    method: 'HEAD',
    headers: { range: 'bytes=10-' },
  })
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
})

test('a widget is deleted only if its ETag matches', async () => {
  const service = shared()
  const { id } = await storeOne(service, { name: 'x', bytes: 'x' })
  const remove = async (headers: Readonly<{ [name: string]: string }>, of = id): Promise<number> =>
    (await fetch(`${service.url}/widgets/${of}`, { method: 'DELETE', headers })).status
  const { headers } = await fetch(`${service.url}/widgets/${id}`)
  const etag = headers.get('etag') ?? ''

  expect(await remove({ 'if-none-match': '*' })).toBe(412)
  expect(await remove({ 'if-none-match': etag })).toBe(412)
  expect(await remove({ 'if-match': '"other"' })).toBe(412)
  expect(await remove({ 'if-match': '*' }, '01890a5d-ac96-774b-bcce-b302099a8057')).toBe(404)
  expect(await remove({ 'if-match': etag, 'if-none-match': '"other"' })).toBe(204)
})

test('a form without a chosen file is refused, and nothing is stored', async () => {
  const service = empty()
  const field = 'widget'
  const part = `Content-Disposition: form-data; name="${field}"; filename=""\r\nContent-Type: application/octet-stream`
  const response = await fetch(`${service.url}/widgets`, {
    method: 'POST',
    body: `--x\r\n${part}\r\n\r\n\r\n--x--\r\n`,
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ detail: `no file was chosen for the field "${field}"` })
  await expectNothingStored(service)
})

test('a deletion removes the row and the bytes', async () => {
  const service = empty()
  const { id } = await storeOne(service, { name: 'x', bytes: 'x' })
  const url = `${service.url}/widgets/${id}`

  expect((await fetch(url, { method: 'DELETE' })).status).toBe(204)

  await expectNothingStored(service)
  for (const method of ['DELETE', 'GET']) expect((await fetch(url, { method })).status).toBe(404)
  expect((await fetch(`${url}/content`)).status).toBe(404)
  expect((await fetch(`${service.url}/widgets/x`)).status).toBe(400)
})

test('a refused upload leaves nothing', async () => {
  const service = empty()
  const small = { name: 'small', bytes: 'x' }

  const tooLarge = await send(service, small, { name: 'large', bytes: randomBytes(100_001) })
  expect(tooLarge.status).toBe(413)
  expect(await tooLarge.json()).toMatchObject({
    detail: expect.stringContaining('UPLOAD_MAX_BYTES') as unknown,
  })
  expect((await send(service, small, small, small)).status).toBe(413)
  const json = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
  expect((await fetch(`${service.url}/widgets`, json)).status).toBe(415)
  expect((await send(service)).status).toBe(400)

  await expectNothingStored(service)
})
