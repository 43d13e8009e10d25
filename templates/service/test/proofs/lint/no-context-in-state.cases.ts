import { check } from './support.ts'
import { noContextInState } from '../../../lint/rules/no-context-in-state.ts'

const imports = `import { withCancel, withTimeout, type Context, type Lifetime } from '../context/context.ts'
`

check('no-context-in-state', noContextInState, {
  valid: [
    {
      name: 'a child of a lifetime, ended by hand',
      code: `${imports}export function f(serving: Lifetime) { const working = withCancel(serving); return () => { working.cancel() } }`,
    },
    {
      name: 'a task in a list of the call',
      code: `${imports}export function f(ctx: Context) { const tasks: (() => unknown)[] = []; tasks.push(() => ctx.err); return tasks.length }`,
    },
    {
      name: 'a listener that is taken off again',
      code: `${imports}export function f(ctx: Context) { const tell = () => ctx.err; process.on('SIGHUP', tell); process.off('SIGHUP', tell) }`,
    },
    {
      name: 'the key of a weak map',
      code: `${imports}const seen = new WeakMap<Context, number>()
        export function f(ctx: Context) { seen.set(ctx, 1) }`,
    },
    {
      name: 'methods that take ctx',
      code: `${imports}export function things() {
          return { find: (ctx: Context, id: string) => [ctx.err, id] }
        }`,
    },
    {
      name: 'a callback under way while the call is',
      code: `${imports}declare function run<T>(ctx: Context, work: () => Promise<T>): Promise<T>
        export function f(ctx: Context) { return run(ctx, async () => ctx.err) }`,
    },
    {
      name: 'what is returned does not use ctx',
      code: `${imports}declare function open(ctx: Context): number
        export function f(ctx: Context) { const handle = open(ctx); return { close: () => handle } }`,
    },
    {
      name: 'a closure over a context that lives as long',
      code: `${imports}export function boundary(server: Lifetime) {
          return { begin: () => withTimeout(server, 1) }
        }`,
    },
    {
      name: 'the root of main',
      filename: 'src/main.ts',
      code: `import { background } from './context/context.ts'
        const root = background()`,
    },
    {
      name: 'a function of ours called add',
      code: `${imports}declare const jobs: { add(ctx: Context, id: string): void }
        export function f(ctx: Context) { jobs.add(ctx, 'x') }`,
    },
  ],
  invalid: [
    {
      name: 'an object that is returned',
      code: `${imports}export function f(ctx: Context) { return { ctx, startedAt: 1 } }`,
      errors: [{ messageId: 'member' }],
    },
    {
      name: 'on an object of the module',
      code: `${imports}const state = { current: undefined as unknown }
        export function f(ctx: Context) { state.current = ctx }`,
      errors: [{ messageId: 'stored' }],
    },
    {
      name: 'a function in a queue of the module',
      code: `${imports}const queue: (() => unknown)[] = []
        export function f(ctx: Context) { queue.push(() => ctx.err) }`,
      errors: [{ messageId: 'kept' }],
    },
    {
      name: 'a listener of the process',
      code: `${imports}export function f(ctx: Context) { process.on('SIGHUP', () => ctx.err) }`,
      errors: [{ messageId: 'kept' }],
    },
    {
      name: 'a promise that others wait for, under the context of the first',
      code: `${imports}const found = new Map<string, Promise<number>>()
        declare function load(ctx: Context): Promise<number>
        export function f(ctx: Context, id: string) { found.set(id, load(ctx)) }`,
      errors: [{ messageId: 'promise' }],
    },
    {
      name: 'a field',
      code: `${imports}export class Repository { readonly #ctx: Context; constructor(ctx: Context) { this.#ctx = ctx } }`,
      errors: [{ messageId: 'field' }],
    },
    {
      name: 'a field of many',
      code: `${imports}export class Pool { readonly waiting: Context[] = [] }`,
      errors: [{ messageId: 'field' }],
    },
    {
      name: 'a member of an interface',
      code: `${imports}export interface Job { readonly ctx?: Context }`,
      errors: [{ messageId: 'member' }],
    },
    {
      name: 'a member of a type, in a parameter that is taken apart',
      code: `${imports}export function f({ ctx }: { ctx: Context }) { return ctx.err }`,
      errors: [{ messageId: 'member' }],
    },
    {
      name: 'a variable of the module',
      code: `${imports}let current: Context | undefined`,
      errors: [{ messageId: 'module' }],
    },
    {
      name: 'an exported map',
      code: `${imports}export const byId = new Map<string, Context>()`,
      errors: [{ messageId: 'module' }],
    },
    {
      name: 'put into a collection',
      code: `${imports}const seen = new Set<unknown>()
        export function f(ctx: Context) { seen.add(ctx) }`,
      errors: [{ messageId: 'stored' }],
    },
    {
      name: 'set on an object of another',
      code: `${imports}export function f(ctx: Context, request: Record<string, unknown>) { request['ctx'] = ctx }`,
      errors: [{ messageId: 'stored' }],
    },
    {
      name: 'in a method of what is returned',
      code: `${imports}export function things(ctx: Context) { return { find() { return ctx.err } } }`,
      errors: [{ messageId: 'closure' }],
    },
    {
      name: 'in a function that a method of what is returned calls',
      code: `${imports}export async function things(ctx: Context) {
          function ask() { return ctx.err }
          const api = { find: () => ask() }
          return api
        }`,
      errors: [{ messageId: 'closure' }],
    },
    {
      name: 'a derived one in a function that is returned',
      code: `${imports}export function f(parent: Context) { const ctx = withCancel(parent); return () => ctx.err }`,
      errors: [{ messageId: 'closure' }],
    },
  ],
})
