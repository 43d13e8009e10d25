import { constants } from 'node:os'
import {
  cause,
  contextName,
  withCancel,
  withValue,
  type CancelContext,
  type Context,
} from '../context/context.ts'
import { SignalReceived } from '../context/signals.ts'
import type { Log } from './log.ts'

/** Something was thrown where nobody could catch it. What state the process is in is unknown, so it stops. */
export class UnhandledFault extends Error {
  override readonly name = 'UnhandledFault'
}

/** Two SIGINTs closer than this are one keystroke: the terminal signals the whole group, and npm forwards its own. */
const sameKeystrokeMs = 100

/**
 * Ends with the first SIGTERM, SIGINT, uncaught exception or unhandled rejection, each as its cause. A second signal
 * exits the process at once, with 128 and the signal's number.
 */
export function untilStopped(parent: Context, log: Log): CancelContext {
  const ctx = withCancel(withValue(parent, contextName, 'until stopped'))
  let firstSignalAt = -Infinity

  const onSignal = (signal: NodeJS.Signals): void => {
    const again = performance.now() - firstSignalAt
    if (signal === 'SIGINT' && again < sameKeystrokeMs) return
    if (cause(ctx) instanceof SignalReceived) {
      log.warn(ctx, 'second signal: exiting at once', { signal })
      process.exit(128 + constants.signals[signal])
    }
    firstSignalAt = performance.now()
    log.info(ctx, 'signal received', { signal })
    ctx.cancel(new SignalReceived(signal))
  }
  const onFault = (reason: unknown): void => {
    log.error(ctx, 'unhandled fault', { err: reason })
    ctx.cancel(new UnhandledFault('a fault that nobody handled; see the log', { cause: reason }))
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  process.on('uncaughtException', onFault).on('unhandledRejection', onFault)
  return ctx
}
