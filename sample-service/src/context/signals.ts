import { afterFunc, withCancel, type CancelContext, type Context, type Lifetime } from './context.ts'

/** The cause of a context that a signal ended. */
export class SignalReceived extends Error {
  override readonly name = 'SignalReceived'
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`${signal} received`)
    this.signal = signal
  }
}

/**
 * Returns a child that ends with the first of `signals` that the process receives, with `SignalReceived` as its cause.
 * Until it ends, these signals do not end the process; afterwards they do again.
 * Go: signal.NotifyContext.
 */
export function withSignals(parent: Context, ...signals: NodeJS.Signals[]): CancelContext & Lifetime {
  const ctx = withCancel(parent)
  const onSignal = (signal: NodeJS.Signals): void => ctx.cancel(new SignalReceived(signal))
  for (const signal of signals) process.on(signal, onSignal)
  afterFunc(ctx, () => {
    for (const signal of signals) process.off(signal, onSignal)
  })
  return ctx
}
