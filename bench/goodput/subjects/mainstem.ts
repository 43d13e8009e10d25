import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { migrateDatabase } from '../../../sample-service/scripts/postgres/migrations.ts'
import type { Context } from '../../../templates/service/src/context/context.ts'
import { retry } from '../../../templates/service/src/context/retry.ts'
import { buildSample, freePort } from '../../support/instance.ts'
import { sample } from '../../support/process.ts'
import { probedMain } from '../../support/programs.ts'
import { numberAt, serverProcess, whenUp, type Server, type Start } from '../server.ts'

const service = fileURLToPath(new URL('../../../templates/service', import.meta.url))

/** The emitted service itself, with the route of its own tests that waits in Postgres. */
export const mainstem: Start = async (ctx, url, task) => {
  const args = [await probedMain(service)]
  const path = `/probe/query?seconds=${task.querySeconds}`
  return startMainstem(ctx, url, task, { folder: service, args, path, env: {} })
}

/**
 * The sample's own `GET /documents`, built and set as its image is, its log too: a view makes the query as slow as the others'.
 * @param more variables of its environment
 */
export function slowDocuments(more: Readonly<Record<string, string>> = {}): Start {
  const env = { LOG_LEVEL: 'info', NODE_ENV: 'production', ...more }
  return async (ctx, url, task) => {
    await buildOnce(ctx)
    await makeSlowDocuments(url, task.querySeconds)
    return startMainstem(ctx, url, task, { folder: sample, args: ['dist/main.js'], path: '/documents', env })
  }
}

let built: Promise<void> | undefined

function buildOnce(ctx: Context): Promise<void> {
  return (built ??= buildSample(ctx))
}

async function makeSlowDocuments(url: string, querySeconds: number): Promise<void> {
  await migrateDatabase(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ done: boolean }>(
      `select to_regclass('kept_documents') is not null as done`,
    )
    if (rows[0]?.done !== true)
      await client.query(`
        alter table documents rename to kept_documents;
        create view documents as with slowly as materialized (select pg_sleep(${querySeconds}))
          select kept_documents.* from slowly cross join kept_documents;
        insert into kept_documents (id, name, content_type, size, sha256)
          values ('01980000-0000-7000-8000-000000000000', 'a', 'text/plain', 1, '')`)
  } finally {
    await client.end()
  }
}

/** The program to start, and the path to request. */
interface Subject {
  readonly folder: string
  readonly args: readonly string[]
  readonly path: string
  readonly env: Readonly<Record<string, string>>
}

async function startMainstem(
  ctx: Context,
  url: string,
  { poolMax }: Parameters<Start>[2],
  { folder, args, path, env }: Subject,
): Promise<Server> {
  const port = await freePort()
  const adminPort = await freePort()
  const server = serverProcess(process.execPath, [...args], {
    cwd: folder,
    env: {
      DATABASE_URL: url,
      DATABASE_POOL_MAX: String(poolMax),
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      LOG_LEVEL: 'silent',
      ...env,
    },
  })
  // An unread log would fill the pipe.
  server.stdout?.resume()
  const base = `http://127.0.0.1:${port}`
  await whenUp(ctx, server, (ctx) => untilReady(ctx, `${base}/readyz`))
  const pending = /^db_client_connection_pending_requests\S* ([\d.]+)/m
  return {
    ...server,
    url: base + path,
    queue: () => numberAt(`http://127.0.0.1:${adminPort}/metrics`, pending),
  }
}

/** Polls, because a service without a log does not say that it listens. */
async function untilReady(ctx: Context, url: string): Promise<void> {
  await retry(ctx, { maxPauseMs: 200 }, async () => {
    const { status } = await fetch(url, { headers: { connection: 'close' } })
    if (status !== 200) throw new Error(`${url} answered ${status}`)
  })
}
