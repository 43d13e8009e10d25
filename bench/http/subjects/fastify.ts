import type { AddressInfo } from 'node:net'

interface App {
  get(path: string, handler: () => Promise<unknown>): void
  listen(options: { host: string; port: number }): Promise<string>
  readonly server: { address(): AddressInfo | string | null }
}

// In a variable, because TypeScript does not know the package: it is installed beside the compiled file, not in this repository.
const name = 'fastify'
const { fastify } = (await import(name)) as { fastify: () => App }

export async function bare(): Promise<number> {
  const app = fastify()
  app.get('/hello', () => Promise.resolve({ hello: 'world' }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}
