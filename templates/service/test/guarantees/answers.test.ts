/**
 * Promise: An answer says what is wrong with the request, and nothing of the inside.
 * Go: handlers return an `error`, and one function writes it: `respond(w, statusOf(err), err)`
 * Held by: src/platform/http.ts, src/platform/problem.ts, src/platform/input.ts
 */
import { describe, expect, test } from 'vitest'
import { sharedService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true, env: { BODY_MAX_BYTES: '1000' } })

describe('an answer tells the client what is wrong, and nothing of the inside', () => {
  test('an invalid query and body: 400 with each field and why', async () => {
    const service = shared()

    const response = await post(service, '/probe/echo?times=9', JSON.stringify({ text: 5 }))

    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const problem = (await response.json()) as { errors: { field: string }[] }
    expect(problem.errors.map((error) => error.field)).toEqual(['query.times', 'body.text'])
  })

  test('a body that is no JSON: 400; another type: 415; a larger one: 413', async () => {
    const service = shared()

    expect((await post(service, '/probe/echo', '{')).status).toBe(400)
    expect((await post(service, '/probe/echo', 'x', 'text/plain')).status).toBe(415)
    expect((await post(service, '/probe/echo', JSON.stringify({ text: 'x'.repeat(2_000) }))).status).toBe(413)
    expect((await post(service, '/probe/echo', JSON.stringify({ text: 'x' }))).status).toBe(200)
  })

  test('a path that nothing answers: 404, with the request id', async () => {
    const service = shared()

    const response = await fetch(`${service.url}/nowhere`, { headers: { 'x-request-id': 'mine' } })

    expect(response.status).toBe(404)
    expect(response.headers.get('x-request-id')).toBe('mine')
    expect(await response.json()).toMatchObject({ title: 'Not Found', requestId: 'mine' })
  })

  test('a failure: 500 without its message; the log has it with its stack', async () => {
    const service = shared()

    const response = await fetch(`${service.url}/probe/failure`, { headers: { 'x-request-id': 'failed' } })

    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret')
    const line = await service.line((entry) => entry['requestId'] === 'failed')
    expect(line).toMatchObject({ level: 'error', status: 500, err: { message: 'the secret of the inside' } })
    expect(JSON.stringify(line)).toContain('probe.routes')
  })

  test('a request id that is too long or not printable is replaced', async () => {
    const service = shared()
    for (const bad of ['x'.repeat(129), 'a b', 'ü']) {
      const response = await fetch(`${service.url}/livez`, { headers: { 'x-request-id': bad } })
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})

function post(
  service: RunningService,
  path: string,
  body: string,
  type = 'application/json',
): Promise<Response> {
  return fetch(service.url + path, { method: 'POST', body, headers: { 'content-type': type } })
}
