import { describe, expect, test } from 'vitest'
import { runScript } from '../support/script.ts'
import { Canceled, cause, withCancel } from '../../../src/context/context.ts'
import { SignalReceived, withSignals } from '../../../src/context/signals.ts'
import { testContext } from '../../../src/context/test-context.ts'

describe('a process that receives a signal', () => {
  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGHUP'])(
    'ends its context: %s (go: ExampleNotifyContext)',
    async (signal) => {
      await using script = runScript(`
        import { background, Canceled } from './context.ts'
        import { ended } from './ended.ts'
        import { withSignals } from './signals.ts'
        const ctx = withSignals(background(), 'SIGTERM', 'SIGINT', 'SIGHUP')
        // A handler does not keep a process alive.
        const awake = setInterval(() => undefined, 1_000)
        console.log('ready')
        const cause = await ended(ctx)
        console.log(cause.name, cause.message, cause.signal, ctx.err === Canceled)
        clearInterval(awake)
      `)
      await script.says('ready')
      script.signal(signal)
      const { code, stdout } = await script.exit

      expect([code, stdout]).toEqual([0, `ready\nSignalReceived ${signal} received ${signal} true\n`])
    },
  )

  test('exits if the context has ended: the default is back (go doc: "The stop function ... may restore the default behavior for a given signal.")', async () => {
    await using script = runScript(`
      import { background } from './context.ts'
      import { ended } from './ended.ts'
      import { withSignals } from './signals.ts'
      const ctx = withSignals(background(), 'SIGTERM')
      setInterval(() => undefined, 1_000)
      console.log('ready')
      await ended(ctx)
      setImmediate(() => console.log('again'))
    `)
    await script.says('ready')
    script.signal('SIGTERM')
    await script.says('again')
    script.signal('SIGTERM')

    expect(await script.exit).toMatchObject({ code: null, signal: 'SIGTERM' })
  })
})

describe('the handlers of the process', () => {
  function handlers(): number[] {
    return [process.listenerCount('SIGUSR2'), process.listenerCount('SIGHUP')]
  }

  test('exist while the context is open, and are removed at its end (go doc: signal.NotifyContext)', async (t) => {
    const before = handlers()
    const ctx = withSignals(testContext(t), 'SIGUSR2', 'SIGHUP')
    expect(handlers()).toEqual(before.map((count) => count + 1))
    ctx.cancel()
    await Promise.resolve()

    expect([handlers(), cause(ctx)]).toEqual([before, Canceled])
  })

  test('are removed when the parent ends, or not added if it has ended (go doc: signal.NotifyContext)', async (t) => {
    const before = handlers()
    const parent = withCancel(testContext(t))
    const early = withSignals(parent, 'SIGUSR2')
    parent.cancel()
    const late = withSignals(parent, 'SIGUSR2')
    await Promise.resolve()

    expect([handlers(), early.err, late.err]).toEqual([before, Canceled, Canceled])
  })

  test('end a context with the signal as its cause, and do not handle other signals (go: TestNotifyContextNotifications)', (t) => {
    const ctx = withSignals(testContext(t), 'SIGUSR2')
    process.emit('SIGHUP')
    expect(ctx.err).toBeUndefined()
    process.emit('SIGUSR2', 'SIGUSR2')
    const why = cause(ctx)

    expect(why).toBeInstanceOf(SignalReceived)
    expect(why).toMatchObject({ name: 'SignalReceived', message: 'SIGUSR2 received', signal: 'SIGUSR2' })
  })
})
