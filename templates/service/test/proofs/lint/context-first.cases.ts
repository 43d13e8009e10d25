import { check } from './support.ts'
import { contextFirst } from '../../../lint/rules/context-first.ts'

const imports = `import { withCancel, type CancelContext, type Context, type Lifetime } from '../context/context.ts'
`

check('context-first', contextFirst, {
  valid: [
    {
      name: 'parent of what a callee hands to a function',
      code: `${imports}declare function transaction(ctx: Context, work: (ctx: Context) => void): void
        export function f(parent: Context) { transaction(parent, (ctx) => { console.log(ctx.err) }) }`,
    },
    { name: 'first and called ctx', code: `${imports}export function f(ctx: Context, id: string) {}` },
    { name: 'unused', code: `${imports}export const f = (_ctx: Context) => 1` },
    {
      name: 'parent, where it is derived from',
      code: `${imports}export function f(parent: Context) { using ctx = withCancel(parent) }`,
    },
    {
      name: 'parent of a context that is returned',
      code: `${imports}export function f(parent: Context): CancelContext { return withCancel(parent) }`,
    },
    {
      name: 'what lives longer comes after ctx, or alone',
      code: `${imports}export function f(ctx: Context, root: Lifetime, id: string) {}
        export function g(server: Lifetime, id: string) {}`,
    },
    {
      name: "Hono's Context is none of ours",
      code: `import type { Context } from 'hono'
        export function f(id: string, c?: Context) {}`,
    },
  ],
  invalid: [
    {
      name: 'second',
      code: `${imports}export function f(id: string, ctx: Context) {}`,
      errors: [{ messageId: 'first' }],
    },
    {
      name: 'second to another of the call',
      code: `${imports}export function f(ctx: Context, parent: Context) { using c = withCancel(parent) }`,
      errors: [{ messageId: 'first' }],
    },
    {
      name: 'in an interface; the callback that follows it is not reported again',
      code: `${imports}export interface Each { each(fn: (index: number, ctx: Context) => void): void }
        export const f = (e: Each) => e.each((index, ctx) => console.log(index, ctx.err))`,
      errors: [{ messageId: 'first', line: 2 }],
    },
    {
      name: 'another name',
      code: `${imports}export function f(context: Context) { return context.err }`,
      errors: [
        {
          messageId: 'name',
          suggestions: [
            { messageId: 'rename', output: `${imports}export function f(ctx: Context) { return ctx.err }` },
          ],
        },
      ],
    },
    {
      name: 'another name, where ctx is taken',
      code: `${imports}export function f(inner: Context) { const ctx = 1; return [inner.err, ctx] }`,
      errors: [{ messageId: 'name', suggestions: [] }],
    },
    {
      name: 'another name for what a callback is called with',
      code: `${imports}declare function run(work: (ctx: Context) => void): void
        run((c) => console.log(c.err))`,
      errors: [
        {
          messageId: 'name',
          suggestions: [
            {
              messageId: 'rename',
              output: `${imports}declare function run(work: (ctx: Context) => void): void
        run((ctx) => console.log(ctx.err))`,
            },
          ],
        },
      ],
    },
    {
      name: 'parent of nothing',
      code: `${imports}export function f(parent: Context) { return parent.err }`,
      errors: [
        {
          messageId: 'parent',
          suggestions: [
            { messageId: 'rename', output: `${imports}export function f(ctx: Context) { return ctx.err }` },
          ],
        },
      ],
    },
    {
      name: 'optional',
      code: `${imports}export function f(ctx?: Context) {}`,
      errors: [
        {
          messageId: 'optional',
          suggestions: [{ messageId: 'require', output: `${imports}export function f(ctx: Context) {}` }],
        },
      ],
    },
    {
      name: 'or undefined',
      code: `${imports}export function f(ctx: Context | undefined) {}`,
      errors: [{ messageId: 'optional' }],
    },
    {
      name: 'with a default',
      code: `${imports}declare const root: Context
        export function f(ctx: Context = root) {}`,
      errors: [{ messageId: 'optional' }],
    },
    {
      name: 'a type that extends ours',
      code: `${imports}interface JobContext extends Context { readonly attempt: number }
        export function f<C extends JobContext>(id: string, ctx: C) {}`,
      errors: [{ messageId: 'first' }],
    },
  ],
})
