/**
 * Promise: A request leaves nothing behind, however it ends: no context, no connection, no descriptor.
 * Go: `defer cancel()` after every `context.With…`, and `goleak.VerifyNone(t)`
 * Held by: src/context/context.ts, src/platform/http/boundary.ts, src/platform/database/connection.ts
 */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { eventually, liveTree, open, running } from '../support/client.ts'
import { sharedService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true, env: { DATABASE_POOL_MAX: '2', BODY_MAX_BYTES: '1000' } })

/** The names of contexts of background workers, which last as long as the service or recur. */
const workers = new Set<string>()
beforeAll(async () => {
  // A single poll may miss a worker's short context.
  for (let look = 0; look < 20; look++) for (const name of await belowServer(shared())) workers.add(name)
})

test('after requests that ended in every possible way, the server context has no child', async () => {
  const service = shared()

  await Promise.all(Array.from({ length: 10 }, () => requestsOfAllKinds(service)))

  await nothingAlive(service)
})

test('an idle service has three contexts: the root, the one a signal ends, and the server', async () => {
  const { name, children } = await liveTree(shared())

  expect(name).toBe('background')
  expect(children.map((child) => child.name)).toEqual(['until stopped', 'server'])
})

test.runIf(existsSync('/proc/self/fd'))('the process has no more descriptors than before', async () => {
  const service = shared()
  // The pool's connections stay open, and so does everything that is opened once.
  await requestsOfAllKinds(service)
  await nothingAlive(service)
  const before = (await descriptors(service)).length

  await Promise.all(Array.from({ length: 10 }, () => requestsOfAllKinds(service)))

  await expect.poll(async () => (await descriptors(service)).length).toBeLessThanOrEqual(before)
})

test('a hang-up that arrives before the handler starts leaves nothing behind', async () => {
  const service = shared()
  for (let i = 0; i < 50; i++) {
    const request = open(`${service.url}/probe/query?seconds=30`)
    setImmediate(() => request.hangUp())
    await request.answer.catch(() => undefined)
  }

  await nothingAlive(service)
  await eventually(async () => (await running(service, 'pg_sleep')) === 0)
})

/** Sends requests that finish, are refused, fail, time out or are hung up: in Postgres, in the queue, while streaming. */
async function requestsOfAllKinds(service: RunningService): Promise<void> {
  const get = (path: string, headers?: Record<string, string>): Promise<unknown> =>
    open(service.url + path, 'GET', headers).answer
  const leave = async (path: string): Promise<void> => {
    const request = open(service.url + path)
    setTimeout(() => request.hangUp(), 100)
    await request.answer.catch(() => undefined)
  }
  const soon = { 'x-envoy-expected-rq-timeout-ms': '50' }
  await Promise.all([
    get('/probe/query?seconds=0'),
    get('/probe/stream?seconds=0.1'),
    get('/nowhere'),
    get('/probe/failure'),
    open(`${service.url}/probe/echo`, 'POST').answer,
    get('/probe/query?seconds=30', soon),
    leave('/probe/query?seconds=30'),
    leave('/probe/stream?seconds=30'),
    leave('/probe/flood'),
  ])
}

/** Resolves when the server context has no child but those of workers. */
async function nothingAlive(service: RunningService): Promise<void> {
  const others = async (): Promise<string[]> =>
    (await belowServer(service)).filter((name) => !workers.has(name))
  await expect.poll(others).toEqual([])
}

/** The names of the children of the server context. */
async function belowServer(service: RunningService): Promise<string[]> {
  const { children } = await liveTree(service)
  const server = children.find(({ name }) => name === 'server')
  if (server === undefined) throw new Error('there is no server context')
  return server.children.map(({ name }) => name)
}

async function descriptors(service: RunningService): Promise<string[]> {
  return readdir(`/proc/${service.pid}/fd`)
}
