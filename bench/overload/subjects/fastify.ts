import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'

// Fastify with the plugin that its documentation recommends against overload: fastify.ts <pool> <seconds>. The limits are those
// of the plugin's README: https://github.com/fastify/under-pressure
interface App {
  register(plugin: unknown, options: object): Promise<unknown>
  get(path: string, handle: () => Promise<object>): void
  listen(at: { host: string; port: number }): Promise<string>
}

const [poolMax, seconds] = process.argv.slice(2).map(Number)
const [server, pressure] = ['fastify', '@fastify/under-pressure']
const { fastify } = (await import(server)) as { fastify: () => App }
const { default: underPressure } = (await import(pressure)) as { default: unknown }

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: poolMax })
const db = drizzle(pool)
const app = fastify()
await app.register(underPressure, {
  maxEventLoopDelay: 1_000,
  maxHeapUsedBytes: 1_000_000_000,
  maxRssBytes: 1_000_000_000,
  maxEventLoopUtilization: 0.98,
})
app.get('/query', async () => {
  await db.execute(sql`select pg_sleep(${seconds})`)
  return {}
})
app.get('/queue', () => Promise.resolve({ waiting: pool.waitingCount }))
const url = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(`listening ${new URL(url).port}`)
