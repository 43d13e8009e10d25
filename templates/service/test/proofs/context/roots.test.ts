import { describe, expect, test } from 'vitest'
import {
  background,
  cause,
  contextKey,
  liveContexts,
  todo,
  withCancel,
} from '../../../src/context/context.ts'

const key = contextKey<string>('anything')

describe.each([
  { name: 'background', root: background() },
  { name: 'todo', root: todo() },
])('$name', ({ name, root }) => {
  test('never ends, and its signal is never aborted (go: TestBackground, TestTODO)', () => {
    withCancel(root).cancel()

    expect(root.err).toBeUndefined()
    expect(root.signal.aborted).toBe(false)
  })

  test('has no deadline (go doc: "It is never canceled, has no values, and has no deadline.")', () => {
    expect(root.deadline).toBeUndefined()
  })

  test('has no values (go doc: "It is never canceled, has no values, and has no deadline.")', () => {
    expect(root.value(key)).toBeUndefined()
  })

  test('has no cause (go: TestCause, row Background, row TODO)', () => {
    expect(cause(root)).toBeUndefined()
  })

  test('has one signal, however often it is read (go doc: "Successive calls to Done return the same value.")', () => {
    expect(root.signal).toBe(root.signal)
  })

  test('prints its own name (go: TestBackground, TestTODO)', () => {
    expect(liveContexts(root).name).toBe(name)
  })
})

test('the second background() of a process throws, and the message says what to do (beyond Go)', () => {
  expect(() => background()).toThrow(/was called before, .*: a process has one root. Take a ctx parameter/)
})

test('todo() may be called any number of times, and each call makes a root (go doc: TODO)', () => {
  expect(todo()).not.toBe(todo())
})
