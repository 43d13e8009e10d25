import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { readItems } from './items.ts'

// Hono and drizzle alone. The parent reads the port.
const read = readItems()
const app = new Hono()
app.get('/hello', (c) => c.json({ hello: 'world' }))
app.get('/hello-async', async (c) => {
  await Promise.resolve()
  return c.json({ hello: 'world' })
})
app.post('/echo', async (c) => c.json(await c.req.json<object>()))
app.get('/items', async (c) => c.json({ items: await read() }))
app.get('/items-built', async (c) => c.json({ items: await read() }))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
server.once('listening', () => console.log((server.address() as AddressInfo).port))
