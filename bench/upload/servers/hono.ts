import { Hono } from 'hono'
import { serve } from '@hono/node-server'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Hono as its documentation shows an upload: parseBody(), which holds the file in memory. */
const directory = process.argv[2] ?? '.'
const app = new Hono().post('/', async (c) => {
  const { document } = await c.req.parseBody()
  if (!(document instanceof File)) return c.text('no file', 400)
  await writeFile(join(directory, 'hono'), document.stream())
  return c.text('', 201)
})
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  console.log(JSON.stringify({ msg: 'listening', port }))
})
