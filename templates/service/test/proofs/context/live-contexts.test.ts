import { expect, test } from 'vitest'
import {
  afterFunc,
  background,
  contextKey,
  contextName,
  liveContexts,
  todo,
  withCancel,
  withTimeout,
  withValue,
  type LiveContext,
} from '../../../src/context/context.ts'

const root = background()

/** Only the names, as a tree. */
function names(shown: LiveContext): unknown[] {
  return [shown.name, ...shown.children.map(names)]
}

test('the tree shows each open context, and how it was derived (go: TestWithCancel, String)', () => {
  using server = withCancel(root)
  using request = withTimeout(withValue(server, contextKey<string>('id'), 'x'), 60_000)
  using worker = withCancel(request)
  withCancel(server).cancel()
  afterFunc(worker, () => undefined)

  expect(names(liveContexts(root))).toEqual(['background', ['withCancel', ['withDeadline', ['withCancel']]]])
})

test('a context has the nearest name in its own values (beyond Go)', () => {
  const requestId = contextKey<string>('request id', (id) => `request ${id}`)
  using server = withCancel(withValue(root, contextName, 'server'))
  using request = withCancel(withValue(withValue(server, requestId, '7'), contextKey('user'), 'ada'))
  using worker = withCancel(request)

  expect(worker.err).toBeUndefined()
  expect(names(liveContexts(server))).toEqual(['server', ['request 7', ['withCancel']]])
})

test('a value of undefined hides that of an ancestor, and gives no name (beyond Go)', () => {
  const requestId = contextKey<string>('request id', (id) => `request ${id.toUpperCase()}`)
  const request = withValue(root, requestId, 'a')
  const hidden = withValue(request, requestId, undefined)
  using work = withCancel(hidden)

  expect(work.value(requestId)).toBeUndefined()
  expect(names(liveContexts(root))).toEqual(['background', ['request A']])
})

test('age and deadline are in milliseconds, and a missing deadline is null (beyond Go)', () => {
  using ctx = withTimeout(root, 60_000)
  const [shown] = liveContexts(root).children

  expect(shown?.deadline).toBe(ctx.deadline)
  expect(shown?.ageMs).toBeGreaterThanOrEqual(0)
  expect(shown?.ageMs).toBeLessThan(60_000)
  expect(liveContexts(root).deadline).toBeNull()
})

test('a context that has ended shows nothing below it (beyond Go)', () => {
  const ctx = withCancel(root)
  withCancel(ctx)
  ctx.cancel(new Error('why'))

  expect(liveContexts(ctx)).toMatchObject({ children: [] })
})

test('a deadline that passed in a busy loop is not shown as open (beyond Go)', () => {
  const top = todo()
  withTimeout(top, 3)
  withTimeout(top, 3)
  using last = withCancel(top)
  const until = performance.now() + 6
  while (performance.now() < until);

  expect(names(liveContexts(top))).toEqual(['todo', ['withCancel']])
  expect(last.err).toBeUndefined()
})
