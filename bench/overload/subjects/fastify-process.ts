import { build, install } from '../../support/cache.ts'
import { listeningPort, numberAt, serverProcess, type Start } from '../../goodput/server.ts'

const peers = { fastify: '5.12.8', '@fastify/under-pressure': '^9.0.3' } as const
const source = 'bench/overload/subjects/fastify.ts'

export const fastify: Start = async (ctx, url, { poolMax, querySeconds }) => {
  const found: { name: string; folder: string }[] = []
  for (const [name, range] of Object.entries(peers)) {
    const installed = await install(ctx, name, range)
    if ('missing' in installed) return installed
    found.push({ name, folder: installed.folder })
  }
  const built = await build(found, [source])
  const args = [built.compiled(source), String(poolMax), String(querySeconds)]
  const server = serverProcess(process.execPath, args, { env: { DATABASE_URL: url } })
  const base = `http://127.0.0.1:${await listeningPort(ctx, server)}`
  return {
    ...server,
    url: `${base}/query`,
    queue: () => numberAt(`${base}/queue`),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await built[Symbol.asyncDispose]()
    },
  }
}
