import type { AddressInfo } from 'node:net'
import { readItems } from './items.ts'

// Fastify with its own log and the metrics plugin that most use.
interface App {
  register(plugin: unknown, options: object): Promise<unknown>
  get(path: string, handle: () => Promise<object>): void
  listen(at: { host: string; port: number }): Promise<string>
  readonly server: { address(): AddressInfo | string | null }
}

const [server, plugin] = ['fastify', 'fastify-metrics']
const { fastify } = (await import(server)) as { fastify: (options: object) => App }
const { default: metrics } = (await import(plugin)) as { default: { default?: unknown } }

const read = readItems()
const app = fastify({ logger: { level: 'info' } })
await app.register(metrics.default ?? metrics, { endpoint: '/metrics' })
app.get('/hello', () => Promise.resolve({ hello: 'world' }))
app.get('/items', async () => ({ items: await read() }))
await app.listen({ host: '127.0.0.1', port: 0 })
console.log((app.server.address() as AddressInfo).port)
