import { expect, test, vi, type TestContext } from 'vitest'
import { z } from 'zod'
import { startPeer } from '../../../test/support/peer.ts'
import { recordedLog } from '../../../test/proofs/support/recorded-log.ts'
import { withCancel, withTimeout, type Context } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { CallFailed } from './call-failed.ts'
import { circuit } from './circuit.ts'
import { createClient, type Client } from './client.ts'
import { problemOf } from '../problem.ts'

test('five failures in a row open it: nothing is sent, and our own client gets a 503 with Retry-After', async (t) => {
  const { ctx, client, peer, log } = await startClient(t, [503])
  await callTimes(ctx, client, 5)

  const failure = await failureOf(client.text(ctx, '/accounts/7?secret=1'))

  expect(failure).toMatchObject({
    how: 'open',
    message: 'payments: GET /accounts/7: not sent, because payments has failed 5 times in a row',
    cause: { message: 'payments: GET /: answered 503' },
  })
  const problem = problemOf(ctx, failure)
  expect([problem.status, problem.headers['retry-after']]).toEqual([503, '10'])
  expect(peer.received).toHaveLength(5)
  expect(log.lines).toMatchObject([
    { level: 'warn', message: 'circuit opened', fields: { peer: 'payments' } },
  ])
})

test('four failures and a success do not, nor do refusals of a wrong request', async (t) => {
  const { ctx, client, peer, log } = await startClient(
    t,
    [503, 503, 503, 503, 200, 503, 503, 503, 503, 404, 503],
  )

  await callTimes(ctx, client, 11)

  expect(peer.received).toHaveLength(11)
  expect(log.lines).toEqual([])
})

test.for([400, 401, 404, 409, 302])('a peer that answers %i works', async (status, t) => {
  const { ctx, client, peer } = await startClient(t, [status])
  await callTimes(ctx, client, 6)
  expect(peer.received).toHaveLength(6)
})

test.for([408, 429, 500, 504])('a peer that answers %i fails', async (status, t) => {
  const { ctx, client, peer } = await startClient(t, [status])
  await callTimes(ctx, client, 6)
  expect(peer.received).toHaveLength(5)
})

test('an answer that is not as expected counts as a peer that works', async (t) => {
  const { ctx, client, peer } = await startClient(t, [200])
  for (let n = 0; n < 6; n++) {
    const failure = await failureOf(client.json(ctx, '/', z.object({ id: z.string() })))
    expect(failure.how).toBe('answer')
  }
  expect(peer.received).toHaveLength(6)
})

test('a peer that takes longer than the client allows fails; callers that leave or have a shorter deadline do not count', async (t) => {
  const { ctx, client, peer } = await startClient(t, ['hang'])
  for (let n = 0; n < 5; n++) {
    using left = withCancel(ctx)
    const why = new Error('left')
    const call = expect(client.text(left, '/')).rejects.toBe(why)
    await expect.poll(() => peer.received.length).toBe(n + 1)
    left.cancel(why)
    await call
  }
  for (let n = 0; n < 5; n++) {
    using hurried = withTimeout(ctx, 30)
    await expect(client.text(hurried, '/')).rejects.toThrow('deadline')
  }
  const before = peer.received.length

  for (let n = 0; n < 5; n++)
    expect((await failureOf(client.text(ctx, '/', { timeoutMs: 30 }))).how).toBe('timeout')

  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  expect(peer.received).toHaveLength(before + 5)
})

test('after ten seconds one attempt is let through, and others are refused until the peer answers it', async (t) => {
  const { ctx, client, peer, log } = await startClient(t, [503, 503, 503, 503, 503, 'hang', 200])
  await callTimes(ctx, client, 5)
  passTime(t, 9_000)
  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  passTime(t, 10_000)

  const probe = client.text(ctx, '/')
  await expect.poll(() => peer.received.length).toBe(6)
  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  peer.release()

  expect(await probe).toBe('200')
  expect(await client.text(ctx, '/')).toBe('200')
  expect(log.lines.map(({ message }) => message)).toEqual(['circuit opened', 'circuit closed'])
})

test('an attempt that is let through and fails opens it again', async (t) => {
  const { ctx, client, peer } = await startClient(t, [503])
  await callTimes(ctx, client, 5)
  passTime(t, 10_000)

  await callTimes(ctx, client, 1)

  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  expect(peer.received).toHaveLength(6)
})

test('if the caller of the attempt that is let through leaves, the next attempt takes its place', async (t) => {
  const { ctx, client, peer, log } = await startClient(t, [503, 503, 503, 503, 503, 'hang', 'hang', 200])
  await callTimes(ctx, client, 5)
  passTime(t, 10_000)
  using caller = withCancel(ctx)
  const why = new Error('left')

  const first = expect(client.text(caller, '/')).rejects.toBe(why)
  await expect.poll(() => peer.received.length).toBe(6)
  caller.cancel(why)
  await first
  const second = client.text(ctx, '/')
  await expect.poll(() => peer.received.length).toBe(7)
  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  peer.release()

  expect(await second).toBe('200')
  expect(await client.text(ctx, '/')).toBe('200')
  expect(log.lines.map(({ message }) => message)).toEqual(['circuit opened', 'circuit closed'])
})

test.for([3_600_000, -3_600_000])(
  'setting the wall clock by %i ms neither closes it early nor keeps it open',
  async (ms, t) => {
    const { ctx, client } = await startClient(t, [503, 503, 503, 503, 503, 200])
    await callTimes(ctx, client, 5)
    setClock(t, ms)

    const refused = await failureOf(client.text(ctx, '/'))
    expect(refused.how).toBe('open')
    expect(refused.retryAfterMs).toBeGreaterThan(1_000)
    expect(refused.retryAfterMs).toBeLessThanOrEqual(10_000)
    passTime(t, 10_000)
    setClock(t, ms)

    expect(await client.text(ctx, '/')).toBe('200')
  },
)

test('each attempt of a call counts, and a call does not wait for its next attempt once the circuit is open', async (t) => {
  const { ctx, log } = await startClient(t, [200])
  const peer = await startPeer(t, (response) => response.writeHead(503).end())
  const client = createClient({
    baseUrl: peer.url,
    name: 'payments',
    attempts: 3,
    breaker: circuit(log, 'payments'),
  })

  await callTimes(ctx, client, 1)
  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  passTime(t, 9_000)
  const startedAt = performance.now()
  expect((await failureOf(client.text(ctx, '/'))).how).toBe('open')
  expect(performance.now() - startedAt).toBeLessThan(900)

  expect(peer.received).toHaveLength(5)
})

/** A client that sends each call once, and its peer, which answers with each status in turn and then repeats the last. */
async function startClient(t: TestContext, statuses: readonly (number | 'hang')[]) {
  const held: (() => void)[] = []
  const peer = await startPeer(t, (response, number) => {
    const status = statuses[number - 1] ?? statuses.at(-1) ?? 200
    if (status === 'hang') held.push(() => response.end('200'))
    else response.writeHead(status).end(status === 200 ? '200' : '')
  })
  const log = recordedLog()
  const breaker = circuit(log, 'payments')
  const client = createClient({ baseUrl: peer.url, name: 'payments', attempts: 1, breaker })
  return { ctx: testContext(t), client, log, peer: { ...peer, release: () => held.forEach((end) => end()) } }
}

async function callTimes(ctx: Context, client: Client, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await client.text(ctx, '/').catch(() => undefined)
}

/** Sets the test's clocks `ms` milliseconds ahead. */
function passTime(t: TestContext, ms: number): void {
  setClock(t, ms)
  vi.restoreAllMocks()
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms)
  t.onTestFinished(() => void vi.restoreAllMocks())
}

/** Sets the test's wall clock `ms` milliseconds ahead, and leaves the monotonic one. */
function setClock(t: TestContext, ms: number): void {
  vi.useRealTimers()
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
  t.onTestFinished(() => void vi.useRealTimers())
}

async function failureOf(call: Promise<unknown>): Promise<CallFailed> {
  const failure: unknown = await call.catch((error: unknown) => error)
  if (failure instanceof CallFailed) return failure
  throw new Error(`expected a CallFailed, got ${String(failure)}`)
}
