import { Agent, get } from 'node:http'
import { afterFunc, type Context } from '../../templates/service/src/context/context.ts'
import { group } from '../../templates/service/src/context/group.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import type { Client } from './catalogue.ts'

/** One request, with its retries. */
export interface Answer {
  /** When it was answered or given up, in milliseconds from the start of the load. */
  readonly atMs: number
  readonly tookMs: number
  /** The last status; `late` if none came within the deadline; else the code of an error. */
  readonly status: string
}

/** A phase of the load: its rate and its length. */
export interface Phase {
  readonly perSecond: number
  readonly ms: number
}

/**
 * Sends requests to `url` at the rate of each phase and does not wait for answers: an open loop, as with independent callers.
 * The times between requests have an exponential distribution.
 */
export async function runLoad(
  ctx: Context,
  url: string,
  phases: readonly Phase[],
  client: { readonly kind: Client; readonly deadlineMs: number },
): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true })
  const answers: Answer[] = []
  const start = performance.now()
  try {
    using requests = group(ctx)
    let dueMs = 0
    let endMs = 0
    for (const { perSecond, ms } of phases) {
      endMs += ms
      dueMs = Math.max(dueMs, endMs - ms)
      for (; dueMs < endMs; dueMs += (-Math.log(1 - Math.random()) * 1_000) / perSecond) {
        const waitMs = start + dueMs - performance.now()
        if (waitMs > 0) await sleep(ctx, waitMs)
        requests.go(async (ctx) => {
          const askedAt = performance.now()
          const status = await ask(ctx, agent, url, client)
          const now = performance.now()
          answers.push({ atMs: now - start, tookMs: now - askedAt, status })
        })
      }
    }
    await requests.wait()
  } finally {
    agent.destroy()
  }
  return answers
}

const mostTries = 3

async function ask(
  ctx: Context,
  agent: Agent,
  url: string,
  { kind, deadlineMs }: { readonly kind: Client; readonly deadlineMs: number },
): Promise<string> {
  const until = performance.now() + deadlineMs
  for (let tried = 1; ; tried++) {
    const { status, retryAfterS } = await once(ctx, agent, url, until - performance.now())
    const pauseMs = retryAfterS === undefined ? 100 * 2 ** tried * Math.random() : retryAfterS * 1_000
    const again = kind === 'retrying' && status !== '200' && tried < mostTries
    if (!again || performance.now() + pauseMs >= until) return status
    await sleep(ctx, pauseMs)
  }
}

/** Resolves with the status after the answer has been read. */
function once(
  ctx: Context,
  agent: Agent,
  url: string,
  ms: number,
): Promise<{ status: string; retryAfterS?: number | undefined }> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (response) => {
      const retryAfter = response.headers['retry-after']
      const retryAfterS = retryAfter === undefined ? undefined : Number(retryAfter)
      response.resume()
      response.on('error', fail)
      response.on('end', () => {
        settled()
        resolve({ status: String(response.statusCode), retryAfterS })
      })
    })
    const timer = setTimeout(() => {
      resolve({ status: 'late' })
      request.destroy()
    }, ms)
    // Not by ctx.signal, because Node warns of an eleventh listener.
    const stop = afterFunc(ctx, () => request.destroy())
    const settled = (): void => {
      clearTimeout(timer)
      stop()
    }
    const fail = (error: NodeJS.ErrnoException): void => {
      settled()
      resolve({ status: error.code ?? error.name })
    }
    request.on('error', fail)
  })
}
