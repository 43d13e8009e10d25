import { check } from './support.ts'
import { noSwallowedEnd } from '../../../lint/rules/no-swallowed-end.ts'

const imports = `import { Canceled, throwIfEnded, withoutCancel, withTimeout, type Context } from '../context/context.ts'
import { sleep } from '../context/sleep.ts'
declare function work(ctx: Context): Promise<number[]>
declare const log: { warn(ctx: Context, message: string, details: object): void }
`

check('no-swallowed-end', noSwallowedEnd, {
  valid: [
    {
      name: 'a clean-up that was detached here',
      code: `${imports}export async function f(parent: Context) { using ctx = withTimeout(withoutCancel(parent), 1); await work(ctx).catch(() => undefined) }`,
    },
    {
      name: 'thrown on',
      code: `${imports}export async function f(ctx: Context) {
          try { return await work(ctx) } catch (cause) { throw new Error('no work', { cause }) }
        }`,
    },
    {
      name: 'ctx is asked in the handler',
      code: `${imports}export async function f(ctx: Context) { try { return await work(ctx) } catch { throwIfEnded(ctx); return [] } }`,
    },
    {
      name: 'ctx is asked by the loop',
      code: `${imports}export async function f(ctx: Context) {
          for (let ms = 1; ctx.err === undefined; ms *= 2) await sleep(ctx, ms).catch(() => undefined)
        }`,
    },
    {
      name: 'ctx is asked behind',
      code: `${imports}export async function f(ctx: Context) {
          let found: number[] = []
          try { found = await work(ctx) } catch { found = [1] }
          throwIfEnded(ctx)
          return found
        }`,
    },
    {
      name: 'a fallback under the outer context, which tells',
      code: `${imports}export async function f(ctx: Context) {
          using quick = withTimeout(ctx, 1)
          try { return await work(quick) } catch { return await work(ctx) }
        }`,
    },
    {
      name: 'a best-effort step, whose failure is logged',
      code: `${imports}export async function f(ctx: Context) { try { await work(ctx) } catch (err) { log.warn(ctx, 'left', { err }) } }`,
    },
    {
      name: 'a failure that is handed on',
      code: `${imports}export const f = (ctx: Context) => work(ctx).catch((error: unknown) => ({ error }))`,
    },
    {
      name: 'what waits for nothing, and under nothing',
      code: `${imports}export async function f(ctx: Context, text: string): Promise<unknown> {
          try { return JSON.parse(text) } catch { return ctx.err }
        }`,
    },
    {
      name: 'a clean-up on the way out',
      code: `${imports}export async function f(ctx: Context) {
          try { await work(ctx) } finally { await work(ctx).catch(() => undefined) }
        }`,
    },
    { name: 'err by identity', code: `${imports}export const f = ({ err }: Context) => err === Canceled` },
  ],
  invalid: [
    {
      name: 'another error in its place',
      code: `${imports}export async function f(ctx: Context) { try { return await work(ctx) } catch { throw new Error('not found') } }`,
      errors: [{ messageId: 'swallowed' }],
    },
    {
      name: 'thrown on by the last attempt alone',
      code: `${imports}export async function f(ctx: Context) { for (let n = 0; n < 5; n++) { try { await work(ctx) } catch (error) { if (n === 4) throw error } } }`,
      errors: [{ messageId: 'swallowed' }],
    },
    {
      name: 'an empty answer',
      code: `${imports}export async function f(ctx: Context) { try { return await work(ctx) } catch { return [] } }`,
      errors: [{ messageId: 'swallowed' }],
    },
    {
      name: 'an empty answer, of a promise',
      code: `${imports}export const f = (ctx: Context) => work(ctx).catch(() => [])`,
      errors: [{ messageId: 'swallowed' }],
    },
    {
      name: 'a loop that goes on, though it is logged',
      code: `${imports}export async function f(ctx: Context) {
          for (;;) { try { await work(ctx) } catch (err) { log.warn(ctx, 'again', { err }) } }
        }`,
      errors: [{ messageId: 'swallowed' }],
    },
    {
      name: 'guessed from the error',
      code: `${imports}export async function f(ctx: Context) {
          try { return await work(ctx) } catch (error) { if (error === Canceled) return []; throw error }
        }`,
      errors: [{ messageId: 'guessed' }],
    },
  ],
})
