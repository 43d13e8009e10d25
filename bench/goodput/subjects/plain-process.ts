import { fileURLToPath } from 'node:url'
import { listeningPort, numberAt, serverProcess, type Start } from '../server.ts'

/** Hono and drizzle without anything of ours; with Hono's timeout() if `timeoutMs` is given. */
export function plain(timeoutMs?: number): Start {
  return async (ctx, url, { poolMax, querySeconds }) => {
    const program = fileURLToPath(new URL('plain.ts', import.meta.url))
    const args = [
      '--import',
      'tsx',
      program,
      poolMax,
      querySeconds,
      ...(timeoutMs === undefined ? [] : [timeoutMs]),
    ]
    const server = serverProcess(process.execPath, args.map(String), { env: { DATABASE_URL: url } })
    const base = `http://127.0.0.1:${await listeningPort(ctx, server)}`
    return { ...server, url: `${base}/query`, queue: () => numberAt(`${base}/queue`) }
  }
}
