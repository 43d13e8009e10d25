/** Calls from one service to another leave nothing behind. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { liveTree, open } from '../support/client.ts'
import { sharedService, type RunningService } from '../support/service.ts'

const first = sharedService({ probe: true })
/** Its own deadline is far away, so that only the first service ends its requests. */
const second = sharedService({ probe: true, env: { REQUEST_TIMEOUT_MS: '60000' } })

/** The URL at `from` that returns the answer of `second` for `path`. */
function through(path: string, from = first().url): string {
  return `${from}/probe/relay?to=${encodeURIComponent(second().url + path)}`
}

test('answered, late and given-up calls leave no context in either service', async () => {
  await Promise.all(Array.from({ length: 10 }, callsOfAllKinds))

  await nothingAlive()
})

const proc = existsSync('/proc/self/fd')
test.runIf(proc)('and neither has more descriptors than before', { timeout: 40_000 }, async () => {
  // The pool's connections stay open, and so does everything that is opened once.
  await callsOfAllKinds()
  await nothingAlive()
  const before = await Promise.all([descriptors(first()), descriptors(second())])

  await Promise.all(Array.from({ length: 10 }, callsOfAllKinds))

  // The pool closes a connection that was idle for ten seconds.
  await vi.waitFor(async () => {
    expect(await descriptors(first())).toBeLessThanOrEqual(before[0])
    expect(await descriptors(second())).toBeLessThanOrEqual(before[1])
  }, 25_000)
})

/** Makes calls that are answered, late, and given up, while the second waits in Postgres and while it streams. */
async function callsOfAllKinds(): Promise<void> {
  const leave = async (path: string): Promise<void> => {
    const request = open(through(path))
    setTimeout(() => request.hangUp(), 100)
    await request.answer.catch(() => undefined)
  }
  await Promise.all([
    open(through('/probe/query?seconds=0')).answer,
    open(through('/probe/query?seconds=30'), 'GET', { 'x-envoy-expected-rq-timeout-ms': '50' }).answer,
    leave('/probe/query?seconds=30'),
    leave('/probe/stream?seconds=30'),
  ])
}

/** Resolves when no server context has a request below it. It first waits for one, so that a check in the wrong place fails. */
async function nothingAlive(): Promise<void> {
  const request = open(through('/probe/query?seconds=30'))
  await vi.waitFor(async () => {
    for (const service of [first(), second()]) expect(await requestsOf(service)).not.toEqual([])
  }, 10_000)
  request.hangUp()
  await request.answer.catch(() => undefined)
  await vi.waitFor(async () => {
    for (const service of [first(), second()]) expect(await requestsOf(service)).toEqual([])
  }, 10_000)
}

/** The contexts of requests, without the contexts of workers, which last as long as the server's. */
async function requestsOf(service: RunningService): Promise<string[]> {
  const { children } = await liveTree(service)
  const server = children.find(({ name }) => name === 'server')
  return (server?.children ?? []).map(({ name }) => name).filter((name) => /^[A-Z]+ \//.test(name))
}

async function descriptors(service: RunningService): Promise<number> {
  return (await readdir(`/proc/${service.pid}/fd`)).length
}
