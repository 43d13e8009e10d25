/**
 * Promise: A route's handler runs only if its guards let the request pass, with the context that they return.
 * Go: none
 * Held by: src/platform/http/guard.ts, src/platform/http/handle.ts
 */
import { describe, expect, test } from 'vitest'
import { guarded } from '../../../src/platform/http/guard.ts'
import { openApiDocument } from '../../../src/platform/http/openapi.ts'
import { route } from '../../../src/platform/http/route.ts'
import { eventually, open, running } from '../../support/client.ts'
import { sharedService } from '../../support/service.ts'
import { asksForName } from '../support/guard.routes.ts'

const service = sharedService({
  probe: 'test/proofs/support/guard.routes.ts',
  env: { REQUEST_TIMEOUT_MS: '1500' },
})

test('the handler gets the context that the guard returns, and the answer its headers', async () => {
  const response = await fetch(`${service().url}/guarded`, { headers: { 'x-name': 'Ada' } })

  expect(await response.json()).toEqual({ name: 'Ada', checked: ['Ada'] })
  expect(response.headers.get('x-guard')).toBe('asked')
})

test('a problem that a guard throws is the answer, with its headers, and no body is read', async () => {
  const response = await fetch(`${service().url}/guarded`, { method: 'POST', body: 'this is not JSON' })

  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toBe('Name')
  expect(response.headers.get('x-guard')).toBe('asked')
  expect(await response.json()).toMatchObject({ status: 401, detail: 'who is it?' })
})

test('the guards of a list run in order, each under the context of the one before', async () => {
  const response = await fetch(`${service().url}/guarded/twice`, { headers: { 'x-name': 'Ada' } })

  expect(await response.json()).toEqual({ name: 'Ada', checked: ['Ada', 'after Ada'] })
})

test('a guard that waits ends with its request: at the deadline, and when the client hangs up', async () => {
  const late = await fetch(`${service().url}/guarded/slow`, {
    headers: { 'x-envoy-expected-rq-timeout-ms': '100' },
  })
  expect(late.status).toBe(504)

  const { hangUp } = open(`${service().url}/guarded/slow`, 'GET', { 'x-request-id': 'left' })
  await eventually(async () => (await running(service(), 'pg_sleep')) === 1)
  hangUp()

  const line = await service().line(({ requestId, msg }) => requestId === 'left' && msg === 'request')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  await eventually(async () => (await running(service(), 'pg_sleep')) === 0)
})

test('guardedBy() puts the same guard before a mounted app', async () => {
  const named = await fetch(`${service().url}/app`, { headers: { 'x-name': 'Ada' } })
  expect([await named.json(), named.headers.get('x-guard')]).toEqual(['Ada', 'asked'])
  const nameless = await fetch(`${service().url}/app`)
  expect([nameless.status, nameless.headers.get('content-type')]).toEqual([401, 'application/problem+json'])
})

test('a guard that returns no context is a 500', async () => {
  expect((await fetch(`${service().url}/guarded/broken`)).status).toBe(500)
})

const plain = (path: string): ReturnType<typeof route> =>
  route({ method: 'GET', path, summary: 'x', tags: [], responses: {}, handle: () => Response.json({}) })

describe('guarded', () => {
  const routes = [plain('/open'), plain('/closed'), { ...plain('/both'), guard: asksForName }]

  test('guards all routes but those that are open', () => {
    const [open, closed, both] = guarded([asksForName], ['GET /open'], routes)

    expect(open?.guard).toBeUndefined()
    expect(closed?.guard).toEqual([asksForName])
    expect(both?.guard).toEqual([asksForName, asksForName])
  })

  test('throws if an open route does not exist, such as a mistyped one', () => {
    expect(() => guarded([asksForName], ['/opne'], routes)).toThrow("leaves '/opne' open")
  })

  test('/openapi.json says what the guard requires', () => {
    const other = Object.assign(asksForName.bind(undefined), {
      documented: { security: [{ key: [] }, { token: ['a'] }] },
    })
    const [first] = guarded([asksForName], [], [{ ...plain('/closed'), guard: other }])
    const document = openApiDocument(first === undefined ? [] : [first, plain('/open')], {
      title: 'x',
      version: '1',
    })

    expect(document).toMatchObject({
      paths: {
        '/closed': {
          get: {
            security: [
              { name: [], key: [] },
              { name: [], token: ['a'] },
            ],
            parameters: [{ in: 'header', name: 'x-name' }],
            responses: { 401: { description: 'Nobody knows who it is' } },
          },
        },
      },
      components: { securitySchemes: { name: { type: 'apiKey', in: 'header', name: 'x-name' } } },
    })
    expect(document).not.toHaveProperty(['paths', '/open', 'get', 'security'])
  })
})
