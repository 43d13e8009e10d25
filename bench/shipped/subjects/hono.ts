import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono, type MiddlewareHandler } from 'hono'
import { pino } from 'pino'
import { readItems } from './items.ts'

// Hono with the log and the metrics that its documentation names.
const [log, metrics] = ['hono-pino', '@hono/prometheus']
const { pinoLogger } = (await import(log)) as {
  pinoLogger: (options: object) => MiddlewareHandler
}
const { prometheus } = (await import(metrics)) as {
  prometheus: () => { printMetrics: MiddlewareHandler; registerMetrics: MiddlewareHandler }
}

const { printMetrics, registerMetrics } = prometheus()
const read = readItems()
const app = new Hono()
app.use(registerMetrics)
app.get('/metrics', printMetrics)
app.use(pinoLogger({ pino: pino({ level: 'info' }) }))
app.get('/hello', (c) => c.json({ hello: 'world' }))
app.get('/items', async (c) => c.json({ items: await read() }))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
server.once('listening', () => console.log((server.address() as AddressInfo).port))
