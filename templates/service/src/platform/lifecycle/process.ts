import { constants } from 'node:os'
import {
  contextName,
  withCancel,
  withValue,
  type CancelContext,
  type Lifetime,
} from '../../context/context.ts'
import { SignalReceived } from '../../context/signals.ts'
import type { Fields, Log } from '../telemetry/log.ts'
import { exit } from './exit.ts'
import { originOf } from './fault.ts'

/** Something was thrown where nobody could catch it. The state of the process is unknown, so it stops. */
export class UnhandledFault extends Error {
  override readonly name = 'UnhandledFault'
}

/**
 * The same signal twice within this time counts as one. Ctrl-C in a terminal and systemd signal the whole process group. npm
 * is in it, and forwards what it gets: https://github.com/npm/run-script/blob/main/lib/signal-manager.js
 */
const sameSignalMs = 100

/**
 * Ends with the first SIGTERM, SIGINT, uncaught exception or unhandled rejection, which is its cause. A second signal exits
 * the process at once with 128 plus the signal's number. A fault sets the exit code to 1, even during a stop. Node's
 * warnings become lines of the log.
 */
export function untilStopped(root: Lifetime, log: Log): CancelContext & Lifetime {
  const ctx: CancelContext & Lifetime = withCancel(withValue(root, contextName, 'until stopped'))
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined

  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (first === undefined) {
      first = { signal, at: now }
      log.info(ctx, 'signal received', { signal })
      ctx.cancel(new SignalReceived(signal))
    } else if (signal !== first.signal || now - first.at >= sameSignalMs) {
      log.warn(ctx, 'second signal: exiting at once', { signal })
      exit(128 + constants.signals[signal])
    }
  }
  const onFault = (reason: unknown, origin: Fields = {}): void => {
    process.exitCode = 1
    log.error(ctx, 'unhandled fault', { ...origin, err: reason })
    ctx.cancel(new UnhandledFault('a fault that nobody handled; see the log', { cause: reason }))
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  // Node's own listener writes warnings to stderr and blocks until they are read. --no-warnings leaves it out.
  if (process.listenerCount('warning') > 0) {
    process.removeAllListeners('warning')
    process.on('warning', (err) => log.warn(ctx, 'warning of Node', { err }))
  }
  process.on('uncaughtException', (error) => onFault(error))
  process.on('unhandledRejection', (reason) => onFault(reason, originOf(reason)))
  return ctx
}
