import { todo, withCancel, type CancelContext } from './context.ts'

/** The part of vitest's test context that `testContext` needs. */
export interface RunningTest {
  onTestFinished(fn: () => void): void
}

/** Returns a context that ends with the test, so that no work of the test outlives it. Go: testing.T.Context. */
export function testContext(t: RunningTest): CancelContext {
  const ctx = withCancel(todo())
  t.onTestFinished(() => ctx.cancel())
  return ctx
}
