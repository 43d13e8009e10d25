import pLimit, { type LimitFunction } from 'p-limit'
import type { Client } from 'pg'
import { DeadlineExceeded, type Context } from '../../context/context.ts'
import { sleep } from '../../context/sleep.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'
import type { Log } from '../telemetry/log.ts'
import { countCancel } from '../telemetry/database-metrics.ts'
import { sessionOf } from './client.ts'
import { openControl } from './control.ts'
import { sendCancelRequest } from './packet.ts'

/** Most CancelRequests under way: each is a connection, for which Postgres forks a process. */
const maxRequests = 4
/** A backend that has not begun the statement drops the cancel, so it is sent again: after 25 ms, 50, 100 … */
const firstResendMs = 25

/** The cancels of one pool. None goes through the pool: it would wait behind what it should cancel. */
export type Cancels = ReturnType<typeof openCancels>

/** @param newClient makes a client with the pool's options, not yet connected */
export function openCancels(log: Log, newClient: () => Client) {
  const requests = pLimit(maxRequests)
  let lastReason = ''
  const control = openControl(newClient, (ctx, error) => {
    const reason = errorOf(error).message
    // A role that may not cancel now may not do so in ten seconds either.
    const level = reason === lastReason ? 'debug' : 'warn'
    lastReason = reason
    log[level](ctx, 'statements are cancelled with CancelRequests for now', { reason })
  })

  /** @returns why nothing was sent; undefined if it was, or ctx has ended */
  async function send(ctx: Context, client: Client): Promise<Error | undefined> {
    const backend = sessionOf(client)?.backend
    const signal = backend && (await control.cancel(ctx, client, backend))
    if (signal === 'sent') {
      countCancel('control')
      return undefined
    }
    const unsent = await admit(ctx, requests, async () => {
      const reason = await sendCancelRequest(ctx, client, newClient())
      if (reason === undefined) countCancel('request')
      return reason
    })
    if (signal === 'unknown')
      throw new Error('Postgres received a cancel on the control connection, and did not answer it')
    return unsent
  }

  return {
    /**
     * Cancels the statement of `client`, again and again until the caller ends ctx, as it does when the statement has ended:
     * with `pg_cancel_backend` where the backend is known, otherwise, and where that fails, with a CancelRequest.
     *
     * Resolves when no cancel is on its way any more, and the backend can be given its next statement.
     * @throws Error, logged and counted, if a cancel may still be on its way, or ctx has passed its deadline: then the
     * connection of `client` must be closed
     */
    async cancel(ctx: Context, client: Client): Promise<void> {
      let unsent: Error | undefined
      try {
        for (let pauseMs = firstResendMs; ctx.err === undefined; pauseMs *= 2) {
          unsent = await send(ctx, client)
          await sleep(ctx, pauseMs).catch(() => undefined)
        }
        if (ctx.err === DeadlineExceeded)
          throw unsent ?? new Error('a cancelled statement did not end in time')
      } catch (error) {
        const reason = errorOf(error).message
        countCancel('failed')
        log.warn(ctx, 'a statement could not be cancelled, so its connection is closed', { reason })
        throw error
      }
    },
    /** Closes the control connection. */
    close: () => control.close(),
  }
}

/** Calls `work` when `limit` admits it. @returns its result; undefined if ctx ended first: then `work` is not called */
async function admit<T>(ctx: Context, limit: LimitFunction, work: () => Promise<T>): Promise<T | undefined> {
  const state = { admitted: false }
  const result = limit(async () => {
    if (ctx.err !== undefined) return undefined
    state.admitted = true
    return work()
  })
  await until(ctx, result).catch((error: unknown) => {
    if (ctx.err === undefined) throw error
  })
  // Work that was admitted ends by itself.
  return state.admitted ? result : undefined
}
