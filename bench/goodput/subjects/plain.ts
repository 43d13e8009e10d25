import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { Hono } from 'hono'
import { timeout } from 'hono/timeout'
import pg from 'pg'

// The route as everybody ships it, on the versions that the emitted service has: plain.ts <pool> <seconds> [timeout ms].
const [poolMax, seconds, timeoutMs] = process.argv.slice(2).map(Number)
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: poolMax })
const db = drizzle(pool)
const app = new Hono()
if (timeoutMs !== undefined) app.use('/query', timeout(timeoutMs))
app.get('/query', async (c) => {
  await db.execute(sql`select pg_sleep(${seconds})`)
  return c.json({})
})
app.get('/queue', (c) => c.text(String(pool.waitingCount)))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
server.once('listening', () => console.log(`listening ${(server.address() as AddressInfo).port}`))
