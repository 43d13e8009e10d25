import { at, tester } from '../support.ts'
import { noRawAbort } from './no-raw-abort.ts'

const filename = at('src/things/things.ts')

tester.run('no-raw-abort', noRawAbort, {
  valid: [
    {
      name: 'a derived context, and its signal',
      filename,
      code: `import { withCancel, type Context } from '../context/context.ts'
        export function f(parent: Context): void {
          using ctx = withCancel(parent)
          console.log(ctx.signal, ctx.signal instanceof AbortSignal)
        }`,
    },
    { name: 'a class of the same name', filename, code: 'class AbortController {}; new AbortController()' },
  ],
  invalid: [
    { name: 'a controller', filename, code: 'new AbortController()', errors: [{ messageId: 'controller' }] },
    {
      name: 'a controller of globalThis',
      filename,
      code: 'new globalThis.AbortController()',
      errors: [{ messageId: 'controller' }],
    },
    {
      name: 'joined signals',
      filename,
      code: 'export const f = (a: AbortSignal, b: AbortSignal): AbortSignal => AbortSignal.any([a, b])',
      errors: [{ messageId: 'any' }],
    },
    { name: 'a timeout', filename, code: 'AbortSignal.timeout(100)', errors: [{ messageId: 'timeout' }] },
  ],
})
