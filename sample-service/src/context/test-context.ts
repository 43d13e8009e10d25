import { todo, withCancel, type CancelContext } from './context.ts'

/** What `testContext` needs of a test: vitest's test context has it. */
export interface RunningTest {
  onTestFinished(fn: () => void): void
}

/** A context for one test that ends with it, so that nothing the test started outlives it. Go: testing.T.Context. */
export function testContext(t: RunningTest): CancelContext {
  const ctx = withCancel(todo())
  t.onTestFinished(() => ctx.cancel())
  return ctx
}
