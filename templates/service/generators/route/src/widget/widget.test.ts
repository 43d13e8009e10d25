import { expect, test } from 'vitest'
import { startService } from '../../test/support/service.ts'

test('GET /widget answers what it is asked', async (t) => {
  const service = await startService(t)
  const response = await fetch(`${service.url}/widget?text=abc`)
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ text: 'abc', length: 3 })
})

test('GET /widget refuses a text that is too long, and says where it stands', async (t) => {
  const service = await startService(t)
  const response = await fetch(`${service.url}/widget?text=${'x'.repeat(201)}`)
  expect(response.status).toBe(400)
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  expect(await response.json()).toMatchObject({ errors: [{ field: 'query.text' }] })
})

test('GET /widget is described in /openapi.json', async (t) => {
  const service = await startService(t)
  const response = await fetch(`${service.url}/openapi.json`)
  expect(await response.json()).toMatchObject({
    paths: { '/widget': { get: { parameters: [{ name: 'text', in: 'query' }] } } },
  })
})
