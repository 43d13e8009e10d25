import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { throwIfEnded } from '../../../generator/ended.ts'
import { listeningPort, numberAt, serverProcess, type Start } from '../server.ts'

const sources = fileURLToPath(new URL('go', import.meta.url))

/**
 * A Go service with this driver. Both drivers come from the distribution (Debian: golang-go, golang-github-lib-pq-dev,
 * golang-github-jackc-pgx-v4-dev) and lie in a GOPATH, so nothing is downloaded.
 * @param deadlineMs gives each request a deadline, and refuses a request while twice as many are under
 * way as there are connections
 */
export function go(driver: 'pq' | 'pgx', deadlineMs?: number): Start {
  return async (ctx, url, { poolMax, querySeconds }) => {
    const folder = await mkdtemp(join(tmpdir(), 'goodput-go-'))
    const program = join(folder, driver)
    try {
      await promisify(execFile)('go', ['build', '-tags', driver, '-o', program, '.'], {
        cwd: sources,
        env: {
          ...process.env,
          GO111MODULE: 'off',
          GOPATH: process.env['GOPATH'] ?? '/usr/share/gocode',
          GOFLAGS: '',
        },
        signal: ctx.signal,
      })
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throwIfEnded(ctx)
      return { missing: reasonOf(error) }
    }
    const server = serverProcess(
      program,
      [poolMax, querySeconds, ...(deadlineMs === undefined ? [] : [deadlineMs])].map(String),
      { env: { DATABASE_URL: url } },
    )
    const base = `http://127.0.0.1:${await listeningPort(ctx, server)}`
    return {
      ...server,
      url: `${base}/query`,
      queue: () => numberAt(`${base}/queue`),
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]()
        await rm(folder, { recursive: true, force: true })
      },
    }
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'go is not installed'
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
  return said.trim().split('\n')[0] ?? 'it did not build'
}
