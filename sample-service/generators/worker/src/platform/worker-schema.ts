import { EventEmitter } from 'node:events'
import { sql } from 'drizzle-orm'
import { Logger, runMigrations } from 'graphile-worker'
import type { Pool } from 'pg'
import type { Queries } from './database-queries.ts'
import type { Schema } from './migrations.ts'

/** The tables of graphile-worker, in the schema graphile_worker: `npm run db:migrate` makes them, start-up requires them. */
export function workerSchema(): Schema {
  return {
    async pending(_ctx, q) {
      const newest = await migrate(q, 'look')
      const applied = await latest(q)
      return Array.from(
        { length: Math.max(0, newest - applied) },
        (_, i) => `graphile-worker ${applied + i + 1}`,
      )
    },
    async apply(_ctx, q) {
      await migrate(q, 'apply')
    },
  }
}

/** The number of the latest migration that the database has. */
async function latest(q: Queries): Promise<number> {
  const there = sql`select to_regclass('graphile_worker.migrations') is not null as there`
  const [table] = (await q.execute<{ there: boolean }>(there)).rows
  if (table?.there !== true) return 0
  const [row] = (
    await q.execute<{ id: number | null }>(sql`select max(id) as id from graphile_worker.migrations`)
  ).rows
  return row?.id ?? 0
}

/** @returns the number of the newest migration that graphile-worker has */
async function migrate(q: Queries, how: 'look' | 'apply'): Promise<number> {
  let newest = 0
  const plugin: GraphileConfig.Plugin = {
    name: 'LookOrApply',
    version: '0.0.0',
    worker: {
      middleware: {
        bootstrap: (next) => (how === 'apply' ? next() : undefined),
        migrate(next, event) {
          newest = event.ctx.maxMigrationNumber
          return how === 'apply' ? next() : undefined
        },
      },
    },
  }
  const logger = new Logger(() => () => undefined)
  await runMigrations({ pgPool: poolOver(q), logger, preset: { plugins: [plugin] } })
  return newest
}

/**
 * What its migrations use of a pool. The one connection is that of `q`, which holds the lock of those who migrate: a
 * context that ends cancels the statement, and a second instance waits.
 */
function poolOver(q: Queries): Pool {
  const ignore = (): void => undefined
  const client = {
    release: ignore,
    async query(statement: string | { text: string; values?: unknown[] }, values?: unknown[]) {
      const { text, ...rest } = typeof statement === 'string' ? { text: statement } : statement
      const given = values ?? rest.values ?? []
      const parts = given.length === 0 ? [text] : text.split(/\$(\d+)/)
      const chunks = parts.map((part, i) =>
        i % 2 === 0 ? sql.raw(part) : sql.param(given[Number(part) - 1]),
      )
      try {
        return await q.execute(sql.join(chunks))
      } catch (error) {
        // It looks for Postgres's code, which drizzle wraps.
        throw error instanceof Error ? (error.cause ?? error) : error
      }
    },
  }
  const events = new EventEmitter().on('error', ignore).on('connect', ignore)
  return Object.assign(events, { options: {}, connect: async () => client }) as unknown as Pool
}
