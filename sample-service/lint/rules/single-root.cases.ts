import { check } from '../support.ts'
import { singleRoot } from './single-root.ts'

const test = 'src/things/things.test.ts'

check('single-root', singleRoot, {
  valid: [
    {
      name: 'one root in main',
      filename: 'src/main.ts',
      code: `import { background } from './context/context.ts'
        const root = background()`,
    },
    {
      name: "a test's own context",
      filename: test,
      code: `import { testContext } from '../context/test-context.ts'
        export const f = (t: { onTestFinished(fn: () => void): void }) => testContext(t)`,
    },
    { name: 'another function of the same name', code: 'const todo = () => 1; todo()' },
  ],
  invalid: [
    {
      name: 'a root elsewhere',
      code: `import { background } from '../context/context.ts'
        export const f = () => background()`,
      errors: [{ messageId: 'elsewhere' }],
    },
    {
      name: 'under another name',
      code: `import { background as start } from '../context/context.ts'
        export const f = () => start()`,
      errors: [{ messageId: 'elsewhere' }],
    },
    {
      name: 'through the namespace',
      code: `import * as contexts from '../context/context.ts'
        export const f = () => contexts.background()`,
      errors: [{ messageId: 'elsewhere' }],
    },
    {
      name: 'handed on uncalled',
      code: `import { background } from '../context/context.ts'
        export const make = { background }`,
      errors: [{ messageId: 'elsewhere' }],
    },
    {
      name: 'a second root in main',
      filename: 'src/main.ts',
      code: `import { background } from './context/context.ts'
        const root = background()
        const other = background()`,
      errors: [{ messageId: 'twice', line: 3 }],
    },
    {
      name: 'todo',
      code: `import { todo } from '../context/context.ts'
        export const f = () => todo()`,
      errors: [{ messageId: 'todo' }],
    },
    {
      name: 'todo in a test',
      filename: test,
      code: `import { todo } from '../context/context.ts'
        export const f = () => todo()`,
      errors: [{ messageId: 'test' }],
    },
    {
      name: 'the context of a test in the service',
      code: `import { testContext } from '../context/test-context.ts'
        export const f = (t: { onTestFinished(fn: () => void): void }) => testContext(t)`,
      errors: [{ messageId: 'testContext' }],
    },
  ],
})
