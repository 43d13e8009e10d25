import { expect, test } from 'vitest'
import { z } from 'zod'
import { startPeer } from '../../../test/support/peer.ts'
import { withCancel, withTimeout } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { createClient } from './client.ts'
import { typedClient } from './typed-client.ts'

/** As openapi-typescript writes it. */
interface Paths {
  '/items': {
    get: {
      parameters: { query?: { limit?: number; tag?: string[] }; path?: never }
      requestBody?: never
      responses: { 200: { content: { 'application/json': { items: Item[] } } } }
    }
    post: {
      parameters: { query?: never; header: { 'Idempotency-Key': string } }
      requestBody: { content: { 'application/json': { name: string } } }
      responses: { 201: { content: { 'application/json': Item } }; 400: { content?: never } }
    }
    delete?: never
  }
  '/items/{ids}/state': {
    post: {
      parameters: { path: { ids: string[] }; header?: { 'X-Tags'?: string[] }; cookie: { sid: string } }
      requestBody?: { content: { 'application/json': { on: boolean } } }
      responses: { default: { content: { 'application/hal+json': { state: string } } } }
    }
    put: {
      parameters: { path: { ids: string[] }; cookie?: never }
      responses: {
        '2XX': { content: { '*/*': { state: number } } }
        default: { content: { 'application/json': { error: string } } }
      }
    }
  }
  '/items/{item-id}': {
    get: {
      parameters: { path: { 'item-id': string } }
      responses: { 200: { content: { 'application/json': Item } } }
    }
    post?: never
    delete: { parameters: { path: { 'item-id': string } }; responses: { 204: { content?: never } } }
  }
}

interface Item {
  id: string
  name: string
}

const item: Item = { id: '7', name: 'seven' }
const client = (baseUrl: string) => typedClient<Paths>(createClient({ baseUrl }))

test('it sends path, query, headers and body as in the document', async (t) => {
  const ctx = testContext(t)
  const peer = await startPeer(t, (response, number) =>
    number === 4 ? response.writeHead(204).end() : response.end(JSON.stringify(item)),
  )
  const items = client(peer.url)

  await items.json(ctx, 'get', '/items', { query: { limit: 2, tag: ['a', 'b&c'] } })
  const { name } = await items.json(ctx, 'get', '/items/{item-id}', { path: { 'item-id': 'a/b' } })
  await items.json(ctx, 'post', '/items', { headers: { 'Idempotency-Key': 'k' }, body: { name } })
  await items.send(ctx, 'delete', '/items/{item-id}', { path: { 'item-id': '7' } })

  expect(peer.received.map(({ method, url, body }) => [method, url, body])).toEqual([
    ['GET', '/items?limit=2&tag=a&tag=b%26c', ''],
    ['GET', '/items/a%2Fb', ''],
    ['POST', '/items', '{"name":"seven"}'],
    ['DELETE', '/items/7', ''],
  ])
  expect(peer.received[2]?.headers['idempotency-key']).toBe('k')
})

test('lists, cookies, an optional body and the answers of every success are typed and sent', async (t) => {
  const ctx = testContext(t)
  const peer = await startPeer(t, (response, number) =>
    response.end(JSON.stringify({ state: number === 2 ? 1 : 'on' })),
  )
  const items = client(peer.url)
  const path = { ids: ['a/b', 'c'] }

  const { state }: { state: string } = await items.json(ctx, 'post', '/items/{ids}/state', {
    path,
    headers: { 'X-Tags': ['x', 'y'] },
    cookies: { sid: 'a;b' },
  })
  const answer: { state: number } = await items.json(ctx, 'put', '/items/{ids}/state', { path })

  expect([state, answer.state]).toEqual(['on', 1])
  expect(peer.received.map(({ url }) => url)).toEqual(['/items/a%2Fb,c/state', '/items/a%2Fb,c/state'])
  expect(peer.received[0]?.headers).toMatchObject({ 'x-tags': 'x,y', cookie: 'sid=a%3Bb' })
})

test('a schema checks the answer, and a path parameter must have a value', async (t) => {
  const ctx = testContext(t)
  const peer = await startPeer(t, (response) => response.end('{"id":7}'))
  const schema = z.object({ id: z.string(), name: z.string() })
  const items = client(peer.url)

  const checked = items.json(ctx, 'get', '/items/{item-id}', { path: { 'item-id': '7' }, schema })
  await expect(checked).rejects.toMatchObject({ how: 'answer' })
  const empty = items.json(ctx, 'get', '/items/{item-id}', { path: { 'item-id': '' } })
  await expect(empty).rejects.toThrow('/items/{item-id}: expected a value for item-id')
})

test('it ends with its caller and with the deadline, which it sends', async (t) => {
  using caller = withCancel(testContext(t))
  const left = new Error('the caller left')
  const peer = await startPeer(t, (_response, number) => {
    if (number === 1) caller.cancel(left)
  })
  const items = client(peer.url)

  await expect(items.json(caller, 'get', '/items')).rejects.toBe(left)
  using hasty = withTimeout(testContext(t), 300)
  await expect(items.json(hasty, 'get', '/items')).rejects.toThrow('deadline')

  expect(await Promise.all(peer.received.map(({ ended }) => ended))).toEqual([false, false])
  expect(peer.received[1]?.headers['x-envoy-expected-rq-timeout-ms']).toMatch(/^\d+$/)
})
