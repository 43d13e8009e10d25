import { todo, withCancel, type CancelContext } from './context.ts'

/** Returns a context that ends with the test, so that no work of the test outlives it. Go: testing.T.Context. */
export function testContext(t: { onTestFinished(fn: () => void): void }): CancelContext {
  const ctx = withCancel(todo())
  t.onTestFinished(() => ctx.cancel())
  return ctx
}
