import { check } from '../support.ts'
import { noRawAbort } from './no-raw-abort.ts'

check('no-raw-abort', noRawAbort, {
  valid: [
    {
      name: 'a derived context, and its signal',
      code: `import { withCancel, type Context } from '../context/context.ts'
        export function f(parent: Context): void {
          using ctx = withCancel(parent)
          console.log(ctx.signal instanceof AbortSignal)
        }`,
    },
    { name: 'a class of the same name', code: 'class AbortController {}; new AbortController()' },
  ],
  invalid: [
    { name: 'a controller', code: 'new AbortController()', errors: [{ messageId: 'controller' }] },
    {
      name: 'a controller of globalThis',
      code: 'new globalThis.AbortController()',
      errors: [{ messageId: 'controller' }],
    },
    {
      name: 'joined signals',
      code: 'export const f = (a: AbortSignal, b: AbortSignal): AbortSignal => AbortSignal.any([a, b])',
      errors: [{ messageId: 'any' }],
    },
    { name: 'a timeout', code: 'AbortSignal.timeout(100)', errors: [{ messageId: 'timeout' }] },
  ],
})
