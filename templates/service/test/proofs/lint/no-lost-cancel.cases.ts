import { check } from './support.ts'
import { noLostCancel } from '../../../lint/rules/no-lost-cancel.ts'

const imports = `import { afterFunc, withCancel, withTimeout, withValue, contextName, type CancelContext, type Context, type Lifetime } from '../context/context.ts'
import { ended } from '../context/ended.ts'
import { group } from '../context/group.ts'
declare function work(ctx: Context): Promise<void>
`

check('no-lost-cancel', noLostCancel, {
  valid: [
    {
      name: 'a group that both branches wait for',
      code: `${imports}export async function f(ctx: Context, n: number) { using all = group(ctx); all.go(work); if (n > 0) { await all.wait() } else { console.log(n); await all.wait() } }`,
    },
    {
      name: 'a group in a loop, waited for in each turn',
      code: `${imports}export async function f(ctx: Context) { for (let n = 0; n < 2; n++) { using all = group(ctx); all.go(work); await all.wait() } }`,
    },
    {
      name: 'content that was read, as a stream',
      code: `${imports}export async function f(parent: Context, read: (ctx: Context) => Promise<string>) { using ctx = withTimeout(parent, 1); const text = await read(ctx); return { text } }`,
    },
    {
      name: 'put into a stack',
      code: `${imports}export function f(parent: Context, stack: DisposableStack) { const ctx = stack.use(withTimeout(parent, 1)); return ctx.err }`,
    },
    {
      name: 'a group that was waited for, and one that was given nothing before a return',
      code: `${imports}export async function f(ctx: Context, n: number) {
          using all = group(ctx)
          if (n === 0) return
          all.go(work)
          await all.wait()
        }`,
    },
    {
      name: 'a promise that does not hang from it',
      code: `${imports}export function f(parent: Context, other: Promise<void>) { using ctx = withTimeout(parent, 1); console.log(ctx.err); return other }`,
    },
    {
      name: 'the end of a context that ends with the block, raced',
      code: `${imports}export async function f(parent: Context, done: Promise<void>) { using ctx = withTimeout(parent, 1); await Promise.race([done, ended(ctx)]) }`,
    },
    {
      name: 'the end of another, raced with using',
      code: `${imports}export async function f(ctx: Context, done: Promise<void>) { using stopped = ended(ctx); await Promise.race([done, stopped]) }`,
    },
    {
      name: 'using',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(ctx) }`,
    },
    {
      name: 'a group with using',
      code: `${imports}export async function f(ctx: Context) { using all = group(ctx); await all.wait() }`,
    },
    { name: 'returned', code: `${imports}export const f = (parent: Context) => withCancel(parent)` },
    {
      name: 'returned by name, its end in a listener',
      code: `${imports}export function f(parent: Context): CancelContext {
          const ctx = withCancel(parent)
          process.on('SIGTERM', () => ctx.cancel())
          return ctx
        }`,
    },
    {
      name: 'ended in a finally',
      code: `${imports}export async function f(parent: Context) {
          const ctx = withCancel(parent)
          try { await work(ctx) } finally { ctx.cancel() }
        }`,
    },
    {
      name: 'ended before anything can fail',
      code: `${imports}export function f(parent: Context) { const ctx = withCancel(parent); console.log(ctx.err); ctx.cancel() }`,
    },
    {
      name: 'assigned, and ended in the finally',
      code: `${imports}export async function f(ctx: Context) {
          let ending: CancelContext | undefined
          afterFunc(ctx, () => { ending = withTimeout(ctx, 1) })
          try { await work(ctx) } finally { ending?.cancel() }
        }`,
    },
    {
      name: 'ended by a method of what is returned, and where that is not reached',
      code: `${imports}export async function listen(ctx: Context, root: Lifetime) {
          const serving = withCancel(root)
          try { await work(ctx) } catch (error) { serving.cancel(); throw error }
          return { stop() { serving.cancel() } }
        }`,
    },
    {
      name: 'handed to who ends it',
      code: `${imports}declare function take(ctx: CancelContext): void
        export function f(parent: Context) { take(withCancel(parent)) }`,
    },
    {
      name: 'the context of a test ends with it',
      code: `import { testContext } from '../context/test-context.ts'
        export function f(t: { onTestFinished(fn: () => void): void }) { const ctx = testContext(t); return ctx.err }`,
    },
  ],
  invalid: [
    {
      name: 'a wait on one branch only',
      code: `${imports}export async function f(ctx: Context, n: number) { using all = group(ctx); all.go(work); if (n > 0) await all.wait() }`,
      errors: [{ messageId: 'wait' }],
    },
    {
      name: 'work for a group that is over',
      code: `${imports}export async function f(ctx: Context) { using all = group(ctx); all.go(work); await all.wait(); all.go(work) }`,
      errors: [{ messageId: 'late' }],
    },
    {
      name: 'an iterator that outlives the block',
      code: `${imports}export function f(parent: Context, rows: (ctx: Context) => AsyncGenerator<number>) { using ctx = withTimeout(parent, 1); return rows(ctx) }`,
      errors: [{ messageId: 'early' }],
    },
    {
      name: 'a child that its caller cannot end',
      code: `${imports}export function f(parent: Context): Context { return withTimeout(parent, 1) }`,
      errors: [{ messageId: 'typed' }],
    },
    {
      name: 'a group that nobody waits for',
      code: `${imports}export async function f(ctx: Context) { using all = group(ctx); all.go(work) }`,
      errors: [{ messageId: 'wait' }],
    },
    {
      name: 'a group that is left before it is waited for',
      code: `${imports}export async function f(ctx: Context, n: number) {
          using all = group(ctx)
          all.go(work)
          if (n === 0) return
          await all.wait()
        }`,
      errors: [{ messageId: 'wait', line: 8 }],
    },
    {
      name: 'a promise returned out of its block',
      code: `${imports}export function f(parent: Context) { using ctx = withTimeout(parent, 1); return work(ctx) }`,
      errors: [{ messageId: 'early' }],
    },
    {
      name: 'by name, in an async function',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(parent, 1); const done = work(ctx); return done }`,
      errors: [{ messageId: 'early' }],
    },
    {
      name: 'the end of another, raced',
      code: `${imports}export async function f(ctx: Context, done: Promise<void>) { await Promise.race([done, ended(ctx)]) }`,
      errors: [{ messageId: 'race' }],
    },
    {
      name: 'bound with const',
      code: `${imports}export async function f(parent: Context) { const ctx = withTimeout(parent, 1); await work(ctx) }`,
      errors: [
        {
          messageId: 'lost',
          suggestions: [
            {
              messageId: 'use',
              output: `${imports}export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(ctx) }`,
            },
          ],
        },
      ],
    },
    {
      name: 'a group bound with const',
      code: `${imports}export async function f(ctx: Context) { const all = group(ctx); await all.wait() }`,
      errors: [
        {
          messageId: 'lost',
          suggestions: [
            {
              messageId: 'use',
              output: `${imports}export async function f(ctx: Context) { using all = group(ctx); await all.wait() }`,
            },
          ],
        },
      ],
    },
    {
      name: 'ended, but not if the work fails',
      code: `${imports}export async function f(parent: Context) {
          const ctx = withCancel(parent)
          await work(ctx)
          ctx.cancel()
        }`,
      errors: [
        {
          messageId: 'path',
          line: 7,
          suggestions: [
            {
              messageId: 'use',
              output: `${imports}export async function f(parent: Context) {
          using ctx = withCancel(parent)
          await work(ctx)
          ctx.cancel()
        }`,
            },
          ],
        },
      ],
    },
    {
      name: 'ended, but not if it returns early',
      code: `${imports}export function f(parent: Context, done: boolean) {
          let ctx = withCancel(parent)
          if (done) return
          ctx.cancel()
        }`,
      errors: [
        {
          messageId: 'path',
          line: 7,
          suggestions: [
            {
              messageId: 'use',
              output: `${imports}export function f(parent: Context, done: boolean) {
          using ctx = withCancel(parent)
          if (done) return
          ctx.cancel()
        }`,
            },
          ],
        },
      ],
    },
    {
      name: 'returned, but not if what comes before fails',
      code: `${imports}export async function f(parent: Context) {
          const ctx = withCancel(parent)
          await work(ctx)
          return ctx
        }`,
      errors: [{ messageId: 'path', line: 7 }],
    },
    {
      name: 'below a value',
      code: `${imports}export function f(parent: Context) { return withValue(withCancel(parent), contextName, 'x') }`,
      errors: [{ messageId: 'lost' }],
    },
    {
      name: 'not bound',
      code: `${imports}export function f(parent: Context) { withCancel(parent) }`,
      errors: [{ messageId: 'lost' }],
    },
    {
      name: 'as an argument of who does not end it',
      code: `${imports}export async function f(parent: Context) { await work(withTimeout(parent, 1)) }`,
      errors: [{ messageId: 'lost' }],
    },
    {
      name: 'what another function hands over',
      code: `${imports}declare function begin(ctx: Context): CancelContext
        export async function f(parent: Context) { const ctx = begin(parent); await work(ctx) }`,
      errors: [
        {
          messageId: 'lost',
          suggestions: [
            {
              messageId: 'use',
              output: `${imports}declare function begin(ctx: Context): CancelContext
        export async function f(parent: Context) { using ctx = begin(parent); await work(ctx) }`,
            },
          ],
        },
      ],
    },
  ],
})
