import { describe, expect, test } from 'vitest'
import { runScript } from '../support/script.ts'

/** Runs a script to its end. */
async function run(source: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  await using script = runScript(source)
  return await script.exit
}

test('the second background() names the file and the line of the first (beyond Go)', async () => {
  const { stdout } = await run(
    [
      `import { background } from './context.ts'`,
      `function first() { return background() }`,
      `first()`,
      `try { background() } catch (error) { console.log(error.message) }`,
    ].join('\n'),
  )

  expect(stdout).toMatch(
    /^background\(\) was called before, at first \(.*\[eval1\]:2:\d+\): a process has one root/,
  )
})

describe('an exception', () => {
  const report = `
    process.on('uncaughtException', (error) => console.log('uncaught', error.message))
    process.on('exit', () => console.log('exit'))
  `

  test('in an abort listener is reported, and does not stop the other listeners or cancel (beyond Go)', async () => {
    const { code, stdout } = await run(`
      import { background, withCancel } from './context.ts'
      ${report}
      const parent = withCancel(background())
      const child = withCancel(parent)
      parent.signal.addEventListener('abort', () => { throw new Error('first') })
      parent.signal.addEventListener('abort', () => console.log('second'))
      child.signal.addEventListener('abort', () => console.log('child'))
      parent.cancel()
      console.log('returned', child.err.message)
    `)

    expect(stdout.split('\n')).toEqual([
      'second',
      'child',
      'returned context canceled',
      'uncaught first',
      'exit',
      '',
    ])
    expect(code).toBe(0)
  })

  test('in a callback is reported, and does not stop the other callbacks or cancel (go doc: AfterFunc, "in its own goroutine")', async () => {
    const { code, stdout } = await run(`
      import { afterFunc, background, withCancel } from './context.ts'
      ${report}
      const parent = withCancel(background())
      const child = withCancel(parent)
      afterFunc(parent, () => { throw new Error('first') })
      afterFunc(parent, () => console.log('second'))
      afterFunc(child, () => console.log('child'))
      parent.cancel()
      afterFunc(parent, () => { throw new Error('late') })
      console.log('returned', child.err.message)
    `)
    const lines = stdout.split('\n')

    expect(lines[0]).toBe('returned context canceled')
    expect([...lines.slice(1)].sort()).toEqual([
      '',
      'child',
      'exit',
      'second',
      'uncaught first',
      'uncaught late',
    ])
    expect(code).toBe(0)
  })

  test('in a callback of a timer, if nobody catches it, ends the process with a message (go doc: AfterFunc, "in its own goroutine")', async () => {
    const { code, stderr } = await run(`
      import { afterFunc, background, withTimeout } from './context.ts'
      afterFunc(withTimeout(background(), 1), () => { throw new Error('nobody caught this') })
    `)

    expect(code).toBe(1)
    expect(stderr).toContain('nobody caught this')
  })
})

test('a cancelled context does not keep the process alive (beyond Go)', async () => {
  const { code, stdout } = await run(`
    import { afterFunc, background, withCancel, withSignal, withTimeout } from './context.ts'
    const root = background()
    const ctx = withTimeout(withCancel(root), 600_000)
    withTimeout(ctx, 300_000)
    afterFunc(withSignal(ctx, new AbortController().signal), () => console.log('ended'))
    ctx.signal.addEventListener('abort', () => console.log('aborted'))
    ctx.cancel()
  `)

  expect([code, stdout]).toEqual([0, 'aborted\nended\n'])
})
