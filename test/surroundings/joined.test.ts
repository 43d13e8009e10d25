/** What rolldown joined finds what lies beside its modules, and its stacks name the lines of src/. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { startPostgres } from './support/postgres.ts'
import { migrate, startService } from './support/service.ts'

test('the joined service finds its files, and its stacks name the lines of src/', async (t) => {
  const postgres = await startPostgres(t, { version: 18 })
  const env = { DATABASE_URL: postgres.url, DEBUG_CONTEXTS: 'true', NODE_OPTIONS: '--enable-source-maps' }
  expect(await migrate(t, { env })).not.toEqual([])
  const service = await startService(t, { env })

  const home = await fetch(service.url, { headers: { accept: 'application/json' } })
  expect(await home.json()).toMatchObject({ name: 'neighbour-service', version: '0.0.0' })
  for (const path of ['/docs', '/docs/start.js', '/docs/swagger-ui.css', '/openapi.json'])
    expect((await fetch(service.url + path)).status, path).toBe(200)
  const contexts = await fetch(`http://127.0.0.1:${service.adminPort}/debug/contexts`, {
    headers: { accept: 'text/html' },
  })
  expect(await contexts.text()).toContain('<script')

  expect((await fetch(`${service.url}/probe/failure`)).status).toBe(500)
  const { err } = await service.line(({ msg, status }) => msg === 'request' && status === 500)
  expect((err as { stack: string }).stack).toMatch(/src\/probe\.routes\.ts:\d+/)
})

test('the joined programs import no module of the service that is not joined', async () => {
  for (const program of ['main', 'migrate']) {
    const text = await readFile(join(inject('emitted').plain, `dist/${program}.js`), 'utf8')
    const own = Array.from(text.matchAll(/^import .*from "(\..*)";$/gm), ([, path]) => path)
    expect(own.length).toBeGreaterThan(0)
    expect(own.filter((path) => path?.startsWith('./joined-') !== true)).toEqual([])
  }
})
