import { check } from './support.ts'
import { stayInTransaction } from '../../../lint/rules/stay-in-transaction.ts'

const imports = `import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
declare const db: Database
`

check('stay-in-transaction', stayInTransaction, {
  valid: [
    {
      name: 'a variable of the call itself',
      code: `${imports}export const f = (ctx: Context) => db.run(ctx, async (q) => { let own; own = q; await own.execute('')  })`,
    },
    {
      name: 'the database handed on before it',
      code: `${imports}declare function find(ctx: Context, db: Database): Promise<void>
        export async function f(ctx: Context) { await find(ctx, db); await db.transaction(ctx, async () => 1) }`,
    },
    {
      name: 'a statement before it',
      code: `${imports}export async function f(ctx: Context) {
          await db.run(ctx, async () => 1)
          await db.transaction(ctx, async () => 2)
        }`,
    },
    {
      name: 'another object with such a method',
      code: `${imports}declare const jobs: { run(ctx: Context): Promise<void> }
        export const f = (ctx: Context) => db.transaction(ctx, (_q, ctx) => jobs.run(ctx))`,
    },
  ],
  invalid: [
    {
      name: 'the database handed on',
      code: `${imports}declare function find(ctx: Context, db: Database): Promise<void>
        export const f = (ctx: Context) => db.transaction(ctx, (_q, ctx) => find(ctx, db))`,
      errors: [{ messageId: 'handed' }],
    },
    {
      name: 'the handle returned',
      code: `${imports}export const f = (ctx: Context) => db.run(ctx, async (q) => q)`,
      errors: [{ messageId: 'kept' }],
    },
    {
      name: 'the handle kept',
      code: `${imports}let kept: unknown
        export const f = (ctx: Context) => db.run(ctx, async (q) => { kept = q })`,
      errors: [{ messageId: 'kept' }],
    },
    {
      name: 'a statement inside',
      code: `${imports}export const f = (ctx: Context) => db.transaction(ctx, async (_q, ctx) => { await db.run(ctx, async () => 1) })`,
      errors: [{ messageId: 'outside' }],
    },
    {
      name: 'a transaction inside',
      code: `${imports}export const f = (ctx: Context) => db.transaction(ctx, (_q, ctx) => db.transaction(ctx, async () => 1))`,
      errors: [{ messageId: 'outside' }],
    },
  ],
})
