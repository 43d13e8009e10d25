import { check } from './support.ts'
import { noUnownedWork } from '../../../lint/rules/no-unowned-work.ts'

const work = 'declare function work(): Promise<void>\n'

check('no-unowned-work', noUnownedWork, {
  valid: [
    {
      name: 'failures of all settled that are read',
      code: `${work}import type { Context } from '../context/context.ts'
        declare function one(ctx: Context): Promise<number>
        export async function f(ctx: Context) { const all = await Promise.allSettled([1].map(() => one(ctx))); return all.length }`,
    },
    { name: 'awaited', code: `${work}export async function f() { await work().catch(() => undefined) }` },
    { name: 'returned', code: `${work}export const f = () => work().then(() => 1)` },
    { name: 'void of no promise', code: 'export const f = (stop: () => number) => void stop()' },
    {
      name: 'left alone for a reason',
      code: `${work}export function f() {
          // A connection that hangs would hold up the exit.
          work().catch(() => undefined)
        }`,
    },
  ],
  invalid: [
    {
      name: 'failures of all settled that nobody reads',
      code: `${work}import type { Context } from '../context/context.ts'
        declare function one(ctx: Context): Promise<number>
        export async function f(ctx: Context) { await Promise.allSettled([1].map(() => one(ctx))) }`,
      errors: [{ messageId: 'unread' }],
    },
    {
      name: 'all of what has names',
      code: `${work}import type { Context } from '../context/context.ts'
        declare function one(ctx: Context): Promise<number>
        export async function f(ctx: Context) { const a = one(ctx); const b = one(ctx); return await Promise.all([a, b]) }`,
      errors: [{ messageId: 'left' }],
    },
    {
      name: 'Promise.all over work',
      code: `import type { Context } from '../context/context.ts'
        declare function work(ctx: Context): Promise<void>
        export const f = (ctx: Context) => Promise.all([work(ctx), work(ctx)])`,
      errors: [{ messageId: 'left' }],
    },
    {
      name: 'work that is raced',
      code: `import type { Context } from '../context/context.ts'
        declare function work(ctx: Context): Promise<void>
        export const f = (ctx: Context, other: Promise<void>) => Promise.race([work(ctx), other])`,
      errors: [{ messageId: 'left' }],
    },
    {
      name: 'void',
      code: `${work}export async function f() { void work() }`,
      errors: [
        {
          messageId: 'void',
          suggestions: [{ messageId: 'await', output: `${work}export async function f() { await work() }` }],
        },
      ],
    },
    {
      name: 'void where nothing can be awaited',
      code: `${work}export const f = () => void work()`,
      errors: [{ messageId: 'void' }],
    },
    {
      name: 'only kept from failing',
      code: `${work}export function f() { work().catch(() => undefined) }`,
      errors: [{ messageId: 'handled' }],
    },
    {
      name: 'a disabled rule is not a reason',
      code: `${work}export function f() {
          // eslint-disable-next-line no-empty
          work().then(() => 1, () => 2)
        }`,
      errors: [{ messageId: 'handled' }],
    },
  ],
})
