import { expect, test, vi } from 'vitest'
import { startPeer } from '../../../test/support/peer.ts'
import { withCancel, withTimeout } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { createLog } from '../telemetry/log.ts'
import { widgetClient } from './widget-client.ts'

const item = { id: '7', name: 'seven' }
const log = createLog({ level: 'silent', service: 'test' })

test('it sends the id in the path, and checks and types the answer', async (t) => {
  const peer = await startPeer(t, (response) => response.end(JSON.stringify({ ...item, other: 1 })))

  const found = await widgetClient(log, { baseUrl: `${peer.url}/v1` }).find(testContext(t), 'a/7')

  expect(found).toEqual(item)
  expect(peer.received).toMatchObject([{ method: 'GET', url: '/v1/items/a%2F7' }])
})

test('it checks a new item, then sends it once', async (t) => {
  const ctx = testContext(t)
  const peer = await startPeer(t, (response, number) =>
    number === 1 ? response.writeHead(201).end(JSON.stringify(item)) : response.writeHead(503).end(),
  )
  const client = widgetClient(log, { baseUrl: peer.url })

  await expect(client.create(ctx, { name: '' })).rejects.toThrow('name')
  expect(await client.create(ctx, { name: 'seven' })).toEqual(item)
  await expect(client.create(ctx, { name: 'seven' })).rejects.toMatchObject({ how: 'status', status: 503 })

  expect(peer.received.map(({ method, body }) => [method, body])).toEqual([
    ['POST', '{"name":"seven"}'],
    ['POST', '{"name":"seven"}'],
  ])
})

test('it rejects an invalid answer, and the error says where and why', async (t) => {
  const peer = await startPeer(t, (response) => response.end('{"id":7,"name":"seven"}'))

  const call = widgetClient(log, { baseUrl: peer.url }).find(testContext(t), '7')

  await expect(call).rejects.toMatchObject({
    how: 'answer',
    message: expect.stringMatching(
      /GET \/items\/7: the answer is not as expected: id: must be text, was 7/,
    ) as unknown,
  })
})

test('it ends with its caller: widget sees its client leave', async (t) => {
  using caller = withCancel(testContext(t))
  const left = new Error('the caller left')
  const peer = await startPeer(t, () => caller.cancel(left))

  await expect(widgetClient(log, { baseUrl: peer.url }).find(caller, '7')).rejects.toBe(left)

  expect(await peer.received[0]?.ended).toBe(false)
  expect(peer.received).toHaveLength(1)
})

test('it sends widget the rest of the deadline, which also ends the call', async (t) => {
  using caller = withTimeout(testContext(t), 500)
  const peer = await startPeer(t, () => undefined)

  await expect(widgetClient(log, { baseUrl: peer.url }).find(caller, '7')).rejects.toThrow('deadline')

  expect(peer.received[0]?.headers['x-envoy-expected-rq-timeout-ms']).toMatch(/^(500|[1-4]?\d?\d)$/)
  expect(await peer.received[0]?.ended).toBe(false)
})

test('it makes up to three attempts; five failures in a row open the circuit', async (t) => {
  const ctx = testContext(t)
  const peer = await startPeer(t, (response, number) =>
    number === 3 || number > 8 ? response.end(JSON.stringify(item)) : response.writeHead(503).end(),
  )
  const client = widgetClient(log, { baseUrl: peer.url })

  expect(await client.find(ctx, '7')).toEqual(item)
  await expect(client.find(ctx, '7')).rejects.toMatchObject({ how: 'status', status: 503 })
  expect(peer.received).toHaveLength(6)

  await expect(client.find(ctx, '7')).rejects.toMatchObject({ how: 'open' })
  expect(peer.received).toHaveLength(8)

  // Ten seconds later it lets one attempt through, which succeeds.
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 10_000)
  t.onTestFinished(() => void vi.restoreAllMocks())
  expect(await client.find(ctx, '7')).toEqual(item)
  expect(await client.find(ctx, '7')).toEqual(item)
})
