import { EventEmitter } from 'node:events'
import { sql } from 'drizzle-orm'
import { Logger, runMigrations } from 'graphile-worker'
import type { Pool } from 'pg'
import type { Context } from '../../context/context.ts'
import { queryFailure } from '../database/errors.ts'
import { ensureSchema } from '../database/grants.ts'
import type { Transaction } from '../database/transaction.ts'
import type { Schema } from '../database/migrations.ts'

/** The tables of graphile-worker, in the schema graphile_worker. `npm run db:migrate` creates them; start-up requires them. */
export function workerSchema(): Schema {
  return {
    async pending(ctx, q) {
      const newest = await migrate(ctx, q, 'look')
      const applied = await latest(q)
      return Array.from(
        { length: Math.max(0, newest - applied) },
        (_, i) => `graphile-worker ${applied + i + 1}`,
      )
    },
    async apply(ctx, q) {
      await ensureSchema(q, 'graphile_worker')
      await migrate(ctx, q, 'apply')
    },
  }
}

/** The number of the latest migration that the database has. */
async function latest(q: Transaction): Promise<number> {
  const there = sql`select to_regclass('graphile_worker.migrations') is not null as there`
  const [table] = (await q.execute<{ there: boolean }>(there)).rows
  if (table?.there !== true) return 0
  const [row] = (
    await q.execute<{ id: number | null }>(sql`select max(id) as id from graphile_worker.migrations`)
  ).rows
  return row?.id ?? 0
}

/** @returns the number of the newest migration that graphile-worker has */
async function migrate(ctx: Context, q: Transaction, how: 'look' | 'apply'): Promise<number> {
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
  await runMigrations({ pgPool: poolOver(ctx, q), logger, preset: { plugins: [plugin] } })
  return newest
}

/** The savepoint statements that replace its transaction statements: one transaction holds all its migrations. */
const steering: Readonly<Record<string, string>> = {
  begin: 'savepoint migration',
  commit: 'release savepoint migration',
  rollback: 'rollback to savepoint migration',
}

/**
 * The part of a pool that its migrations use. Its only connection is that of `q`, whose transaction holds the migration lock:
 * when ctx ends, the statement is cancelled, and a second instance waits. Each statement has its own savepoint, because
 * graphile-worker queries tables that may be missing.
 */
function poolOver(ctx: Context, q: Transaction): Pool {
  const ignore = (): void => undefined
  const client = {
    release: ignore,
    async query(statement: string | { text: string; values?: unknown[] }, values?: unknown[]) {
      const { text, ...rest } = typeof statement === 'string' ? { text: statement } : statement
      const steered = steering[text]
      if (steered !== undefined) return q.execute(sql.raw(steered))
      const given = values ?? rest.values ?? []
      // The schema exists, but Postgres would still require the right to create it.
      const needed = text.replace(/^create schema if not exists \S+;/, '')
      const parts = given.length === 0 ? [needed] : needed.split(/\$(\d+)/)
      const chunks = parts.map((part, i) =>
        i % 2 === 0 ? sql.raw(part) : sql.param(given[Number(part) - 1]),
      )
      try {
        return await q.savepoint(ctx, (q) => q.execute(sql.join(chunks)))
      } catch (error) {
        // graphile-worker reads Postgres's code.
        const failure = queryFailure(error)
        throw failure === undefined ? error : Object.assign(failure, { code: failure.sqlState })
      }
    },
  }
  const events = new EventEmitter().on('error', ignore).on('connect', ignore)
  return Object.assign(events, { options: {}, connect: async () => client }) as unknown as Pool
}
