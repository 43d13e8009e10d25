import { check } from './support.ts'
import { passContext } from '../../../lint/rules/pass-context.ts'

const imports = `import { cause, withCancel, withTimeout, withValue, withoutCancel, contextName, type Context, type Lifetime } from '../context/context.ts'
import { group } from '../context/group.ts'
declare function work(ctx: Context, id?: string): Promise<void>
declare function each(ctx: Context, fn: (ctx: Context) => Promise<void>): Promise<void>
declare function listen(ctx: Context, root: Lifetime): Promise<void>
`

function pass(nearest: string, code: string) {
  return [{ messageId: 'pass', data: { nearest }, output: imports + code }]
}

check('pass-context', passContext, {
  valid: [
    {
      name: 'a detached context with a deadline, bound with using',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(withoutCancel(parent), 5_000); await work(ctx) }`,
    },
    {
      name: 'a fallback when the nearer one may have timed out',
      code: `${imports}export async function f(parent: Context) {
          using ctx = withTimeout(parent, 1)
          try { await work(ctx) } catch { await work(parent) }
        }`,
    },
    {
      name: 'what comes when the nearer one was asked',
      code: `${imports}export async function f(parent: Context) {
          using ctx = withTimeout(parent, 1)
          if (ctx.err !== undefined) await work(parent)
        }`,
    },
    {
      name: 'a detached one lives as long as anything',
      code: `${imports}export async function f(ctx: Context) {
          // It is ended by nobody, as the root is.
          await listen(ctx, withoutCancel(ctx))
        }`,
    },
    { name: 'the one received', code: `${imports}export const f = (ctx: Context) => work(ctx)` },
    {
      name: 'the one derived',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(ctx) }`,
    },
    {
      name: 'derived on the spot',
      code: `${imports}export const f = (ctx: Context) => work(withValue(ctx, contextName, 'x'))`,
    },
    {
      name: 'the one a callback is called with',
      code: `${imports}export const f = (ctx: Context) => each(ctx, (ctx) => work(ctx))`,
    },
    {
      name: 'before the nearer one is derived, and behind its block',
      code: `${imports}export async function f(parent: Context) {
          await work(parent)
          { using ctx = withCancel(parent); await work(ctx) }
          await work(parent)
        }`,
    },
    {
      name: 'a question may be asked of any',
      code: `${imports}export function f(parent: Context) { using ctx = withCancel(parent); return [cause(parent), ctx.err] }`,
    },
    {
      name: 'in a callback that is not offered one',
      code: `${imports}export const f = (ctx: Context, ids: string[]) => Promise.all(ids.map((id) => work(ctx, id)))`,
    },
    {
      name: 'what lives longer, where that is asked for',
      code: `${imports}export async function f(root: Lifetime) { using ctx = withCancel(root); await listen(ctx, root) }`,
    },
    {
      name: 'detached for a reason',
      code: `${imports}export async function f(parent: Context) {
          // The end of the request may be why this is removed.
          using ctx = withTimeout(withoutCancel(parent), 5_000)
          await work(ctx)
        }`,
    },
  ],
  invalid: [
    {
      name: 'the signal of an outer context, taken out',
      code: `${imports}export async function f(ctx: Context) { const { signal } = ctx; await each(ctx, async () => { await fetch('http://a', { signal }) }) }`,
      errors: [{ messageId: 'offered' }],
    },
    {
      name: 'the signal of the older one',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(ctx); return fetch('http://a', { signal: parent.signal }) }`,
      errors: [
        {
          messageId: 'older',
          suggestions: pass(
            'ctx',
            `export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(ctx); return fetch('http://a', { signal: ctx.signal }) }`,
          ),
        },
      ],
    },
    {
      name: 'a function that works under the outer one, handed to a group',
      code: `${imports}export async function f(ctx: Context) {
          const one = () => work(ctx)
          using workers = group(ctx)
          workers.go(one)
          await workers.wait()
        }`,
      errors: [{ messageId: 'offered' }],
    },
    {
      name: 'a function that works under the outer one, called by a worker',
      code: `${imports}export async function f(parent: Context) {
          const one = () => work(parent)
          using workers = group(parent)
          workers.go(async (ctx) => { await one(); await work(ctx) })
          await workers.wait()
        }`,
      errors: [{ messageId: 'closure' }],
    },
    {
      name: 'the context of a call that says it is a lifetime',
      code: `${imports}export function f(ctx: Context) { const server: Lifetime = withValue(ctx, contextName, 'x'); return server.err }`,
      errors: [{ messageId: 'claimed' }],
    },
    {
      name: 'the older one',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(parent); await work(ctx) }`,
      errors: [
        {
          messageId: 'older',
          suggestions: pass(
            'ctx',
            'export async function f(parent: Context) { using ctx = withTimeout(parent, 1); await work(ctx); await work(ctx) }',
          ),
        },
      ],
    },
    {
      name: 'the older one, two steps up',
      code: `${imports}export async function f(ctx: Context) {
          const named = withValue(ctx, contextName, 'x')
          const inner = withValue(named, contextName, 'y')
          await work(ctx)
        }`,
      errors: [
        {
          messageId: 'older',
          suggestions: pass(
            'inner',
            `export async function f(ctx: Context) {
          const named = withValue(ctx, contextName, 'x')
          const inner = withValue(named, contextName, 'y')
          await work(inner)
        }`,
          ),
        },
      ],
    },
    {
      name: 'the outer one, where a callback has its own',
      code: `${imports}export const f = (parent: Context) => each(parent, (ctx) => work(parent))`,
      errors: [
        {
          messageId: 'older',
          suggestions: pass('ctx', 'export const f = (parent: Context) => each(parent, (ctx) => work(ctx))'),
        },
      ],
    },
    {
      name: 'the outer one in a worker that does not take its own',
      code: `${imports}export async function f(ctx: Context) {
          using workers = group(ctx)
          workers.go(() => work(ctx))
          await workers.wait()
        }`,
      errors: [{ messageId: 'offered' }],
    },
    {
      name: 'a lifetime for work of a call',
      code: `${imports}export async function f(root: Lifetime) { using ctx = withCancel(root); await work(root) }`,
      errors: [
        {
          messageId: 'older',
          suggestions: pass(
            'ctx',
            'export async function f(root: Lifetime) { using ctx = withCancel(root); await work(ctx) }',
          ),
        },
      ],
    },
    {
      name: 'the context of a call for a lifetime',
      code: `${imports}export const f = (ctx: Context) => listen(ctx, ctx)`,
      errors: [{ messageId: 'lifetime' }],
    },
    {
      name: 'one that came from elsewhere',
      code: `${imports}declare function current(): Context
        export function f(ctx: Context) { const other = current(); return work(other) }`,
      errors: [
        {
          messageId: 'foreign',
          suggestions: pass(
            'ctx',
            `declare function current(): Context
        export function f(ctx: Context) { const other = current(); return work(ctx) }`,
          ),
        },
      ],
    },
    {
      name: 'one out of an object',
      code: `${imports}export const f = (ctx: Context, job: { readonly under: Context }) => work(job.under)`,
      errors: [
        {
          messageId: 'foreign',
          suggestions: pass(
            'ctx',
            'export const f = (ctx: Context, job: { readonly under: Context }) => work(ctx)',
          ),
        },
      ],
    },
    {
      name: 'detached without a reason',
      code: `${imports}export const f = (ctx: Context) => work(withoutCancel(ctx))`,
      errors: [{ messageId: 'detached' }],
    },
  ],
})
