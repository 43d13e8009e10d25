import { check } from '../support.ts'
import { stayInTransaction } from './stay-in-transaction.ts'

const imports = `import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'
declare const db: Database
`

check('stay-in-transaction', stayInTransaction, {
  valid: [
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
