import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess, startService, type RunningService } from '../../test/support/service.ts'
import { Widget, WidgetPage, Widgets } from './widgets.api.ts'

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

test.for(["'German'", "'SQL', 'DMY'"])(
  'a time reads as it was stored, also from a database that writes it as %s',
  async (style, t) => {
    const first = await startService(t)
    const name = new URL(first.databaseUrl).pathname.slice(1)
    await first.sql(`alter database "${name}" set datestyle = ${style}`)
    const service = await startService(t, {
      env: { DATABASE_URL: first.databaseUrl, UPLOAD_DIR: first.uploadDir },
    })

    const widget = await storeOne(service, { name: 'a.txt', bytes: 'a' })

    expect(Math.abs(Date.parse(widget.createdAt) - Date.now())).toBeLessThan(60_000)
    expect((await list(service, 'limit=1')).widgets).toEqual([widget])
  },
)

test('the files of one request become rows in one transaction, in the order of the request', async (t) => {
  const service = await startService(t, { env: { UPLOAD_WORKERS: '1' } })

  const widgets = await store(service, ...['a', 'b', 'c', 'd'].map((name) => ({ name, bytes: name })))

  expect(widgets.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd'])
  expect(await service.sql('select distinct xmin::text from widgets')).toHaveLength(1)
})

test('a file is stored whole, or not at all', async (t) => {
  const service = await startService(t)
  const header = (name: string): string =>
    `--x\r\nContent-Disposition: form-data; name="widget"; filename="${name}"\r\n`
  const send = (body: string): Promise<Response> =>
    fetch(`${service.url}/widgets`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    })

  expect((await send(`${header('a')}\r\none\r\n--x\r\ntwo\r\n--x--\r\n`)).status).toBe(400)
  expect((await send(`${header('a')}\r\none\r\n${header('b')}--x--\r\n`)).status).toBe(400)
  await expectNothingStored(service)

  const bytes = 'one\r\n--xy\r\n--x--y\r\ntwo'
  const stored = await send(`${header('a').replace('x', 'x \t')}\r\n${bytes}\r\n--x-- \r\n`)
  expect(stored.status).toBe(201)
  const [widget] = Widgets.parse(await stored.json()).widgets
  expect(await (await fetch(`${service.url}/widgets/${widget?.id ?? ''}/content`)).text()).toBe(bytes)
})

test('a start removes what killed processes left, and nothing that may be under way', async (t) => {
  const service = await startService(t)
  const { id } = await storeOne(service, { name: 'kept', bytes: 'x' })
  const [kept = ''] = await readdir(service.uploadDir)
  const orphan = kept.replace(id, '01890a5d-ac96-774b-bcce-b302099a8057')
  const young = kept.replace(id, '01890a5d-ac96-774b-bcce-b302099a8058')
  for (const name of [orphan, `${orphan}.part`, young, `${young}.part`]) {
    await writeFile(join(service.uploadDir, name), 'x')
  }
  const old = new Date(Date.now() - 61_000)
  for (const name of [kept, orphan, `${orphan}.part`]) await utimes(join(service.uploadDir, name), old, old)

  const env = { DATABASE_URL: service.databaseUrl, UPLOAD_DIR: service.uploadDir, UPLOAD_TIMEOUT_MS: '30000' }
  await startProcess(t, { env }).line(({ msg }) => msg === 'listening')

  expect((await readdir(service.uploadDir)).sort()).toEqual([kept, young, `${young}.part`].sort())
})

test('a storage that cannot be swept is a warning in the log, and the service starts', async (t) => {
  const service = await startService(t)
  const { id } = await storeOne(service, { name: 'kept', bytes: 'x' })
  const [kept = ''] = await readdir(service.uploadDir)
  // The storage makes no folders, and its sweep cannot remove one.
  const folder = join(service.uploadDir, kept.replace(id, '01890a5d-ac96-774b-bcce-b302099a8057'))
  await mkdir(folder)
  const old = new Date(Date.now() - 61_000)
  await utimes(folder, old, old)

  const env = { DATABASE_URL: service.databaseUrl, UPLOAD_DIR: service.uploadDir, UPLOAD_TIMEOUT_MS: '30000' }
  const { log, line } = startProcess(t, { env })
  await line(({ msg }) => msg === 'listening')

  const warning = 'could not remove the remains of cut-off uploads of widgets'
  const said = log.find(({ msg }) => msg === warning)
  expect(said).toMatchObject({ level: 'warn', err: { message: expect.stringContaining(folder) as string } })
})
