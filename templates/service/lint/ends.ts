import type { Linter } from 'eslint'

const signal = 'where a signal is wanted, pass ctx.signal'
const derive = `Derive a context instead: withSignal(parent, signal), withTimeout(parent, ms) or withCancel(parent); ${signal}.`
const asked =
  'An error does not tell whether the context ended the work. Ask the context: `if (ctx.err !== undefined)`, or throwIfEnded(ctx).'

/** The name, the code or the message of an error, compared with those of an end. */
const guesses = [
  'BinaryExpression[operator=/^[!=]==?$/] > Literal[value=/^(?:AbortError|TimeoutError|ABORT_ERR|ERR_ABORTED|57014|CanceledError)$/]',
  'CallExpression[callee.object.property.name=/^(?:message|name)$/] > Literal[value=/cancel|abort|deadline|timed? ?out/i]',
  'BinaryExpression[operator=/^[!=]==?$/]:has(> MemberExpression[property.name="message"]) > Literal[value=/cancel|abort|deadline|timed? ?out/i]',
  'SwitchCase > Literal.test[value=/^(?:AbortError|TimeoutError|ABORT_ERR|57014)$/]',
  'BinaryExpression[operator="instanceof"] > Identifier.right[name=/^(?:DOMException|AbortError)$/]',
]

/** ESLint's own rules. An end without a context reaches no work below, and `AbortSignal.any` leaks in Node 20 and 22. */
export const ends: Linter.RulesRecord = {
  'no-restricted-globals': [
    'error',
    {
      checkGlobalObject: true,
      globals: [
        {
          name: 'AbortController',
          message: `Derive a context instead: \`using ctx = withCancel(parent)\`; ${signal}.`,
        },
      ],
    },
  ],
  'no-restricted-properties': [
    'error',
    ...['any', 'timeout', 'abort'].map((property) => ({ object: 'AbortSignal', property, message: derive })),
  ],
  'no-restricted-syntax': [
    'error',
    {
      selector:
        'MemberExpression[property.name=/^(?:any|timeout|abort)$/] > MemberExpression.object[property.name="AbortSignal"]',
      message: derive,
    },
    {
      selector: 'TSTypeReference[typeName.name=/^Abort(?:Signal|Controller)$/]',
      message: `A function that waits takes \`ctx: Context\`; ${signal}.`,
    },
    ...guesses.map((selector) => ({ selector, message: asked })),
    {
      selector:
        'MemberExpression[property.name=/^(?:aborted|reason|throwIfAborted|onabort|addEventListener)$/] > MemberExpression.object[property.name="signal"][object.name=/ctx$|^parent$/i]',
      message:
        'A signal is for others to listen to. Ask the context: ctx.err, cause(ctx), throwIfEnded(ctx); or act when it ends: afterFunc(ctx, fn).',
    },
    {
      selector:
        'NewExpression[callee.name="Promise"] > :function :matches(CallExpression.body, BlockStatement > ExpressionStatement > CallExpression)[callee.name="setTimeout"]',
      message: 'A pause ends with its context: write `await sleep(ctx, ms)` of src/context/sleep.ts.',
    },
    {
      selector: 'CallExpression[callee.property.name="nextTick"] > :function[async=true]',
      message: 'Nobody waits for this work. Await it, or give it to a group.',
    },
    {
      selector: ':matches(ExportAllDeclaration, ExportNamedDeclaration[source])',
      message: 'Import it from the file that declares it: no file re-exports what another file exports.',
    },
    {
      selector: 'ImportExpression > Literal[value=/^(?:\\.|@?hono|pg$|pg-|drizzle-orm|pino)/]',
      message: 'Import it at the top of the file.',
    },
  ],
}
