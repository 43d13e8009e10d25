import pLimit from 'p-limit'
import type { Client } from 'pg'
import { DeadlineExceeded, type Context } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { errorOf } from '../../context/thrown.ts'
import type { Log } from '../telemetry/log.ts'
import { countCancel } from '../telemetry/metrics.ts'
import { backendOf } from './client.ts'
import { openControl } from './control.ts'
import { sendCancelRequest } from './packet.ts'
import { takeTurn } from './turn.ts'

/** A storm of cancels (every request at shutdown) opens no more connections for CancelRequests than this: each is a fork of Postgres. */
const limit = 4
/** A backend that has not begun the statement drops the cancel, so it is sent again: after 25 ms, 50, 100 … */
const firstResendMs = 25

/** The cancels of one pool. None goes through the pool: it would wait behind what it should cancel. */
export interface Cancels {
  /**
   * Cancels what the backend of `client` runs, again and again until ctx ends, which it does when the statement has:
   * with `pg_cancel_backend` on one connection of its own where it is known which backend that is; otherwise, and
   * where that fails, with a CancelRequest.
   *
   * Resolves when no cancel is on its way any more, and the backend can be given its next statement.
   * @throws Error if one may be on its way still, or ctx was out of time: then the connection of `client` must be closed.
   * It has been logged and counted.
   */
  cancel(ctx: Context, client: Client): Promise<void>
  /** Closes the connection that is kept. */
  close(): void
}

/** @param dial makes a client as the pool does, which has not connected yet */
export function openCancels(log: Log, dial: () => Client): Cancels {
  const requests = pLimit(limit)
  let lastReason = ''
  const control = openControl(dial, (ctx, error) => {
    const reason = errorOf(error).message
    // A role that may not cancel may not do so in ten seconds either.
    const level = reason === lastReason ? 'debug' : 'warn'
    lastReason = reason
    log[level](ctx, 'statements are cancelled with CancelRequests for now', { reason })
  })

  /** @returns undefined if there is no more to do than to wait, else why nothing was sent */
  async function send(ctx: Context, client: Client): Promise<Error | undefined> {
    const backend = backendOf(client)
    const told = backend === undefined ? 'unsent' : await control.cancel(ctx, client, backend)
    if (told === 'sent') {
      countCancel('control')
      return undefined
    }
    const request = async (): Promise<Error | undefined> => {
      const unsent = await sendCancelRequest(ctx, client, dial())
      if (unsent === undefined) countCancel('request')
      return unsent
    }
    // Nobody's, once ctx has ended.
    const unsent = await takeTurn(ctx, requests, request)
    if (told === 'unknown')
      throw new Error('Postgres was asked to cancel a statement, and did not say whether it has')
    return unsent
  }

  async function untilEnded(ctx: Context, client: Client): Promise<void> {
    let unsent: Error | undefined
    for (let pauseMs = firstResendMs; ctx.err === undefined; pauseMs *= 2) {
      unsent = await send(ctx, client)
      await sleep(ctx, pauseMs).catch(() => undefined)
    }
    if (ctx.err !== DeadlineExceeded) return
    throw unsent ?? new Error('a cancelled statement did not end in time')
  }

  return {
    async cancel(ctx, client) {
      try {
        await untilEnded(ctx, client)
      } catch (error) {
        const reason = errorOf(error).message
        countCancel('failed')
        log.warn(ctx, 'a statement could not be cancelled, its connection is closed', { reason })
        throw error
      }
    },
    close: () => control.close(),
  }
}
