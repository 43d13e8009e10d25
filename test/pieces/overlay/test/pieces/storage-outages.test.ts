import { expect, test } from 'vitest'
import { startS3 } from '../support/s3.ts'
import { startService } from '../support/service.ts'

const credentials = { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' }

test.for([
  ['answers 500', 500],
  ['is overloaded', 503],
  ['breaks the connection', undefined],
] as const)('while S3 %s, requests get 503 with Retry-After, and the log says why', async ([, status], t) => {
  const s3 = await startS3(t)
  const service = await startService(t, { env: { ...credentials, STORAGE_URL: s3.url } })
  const widgets = `${service.url}/widgets`
  const upload = () => {
    const body = new FormData()
    body.append('widget', new Blob(['abc']), 'a.txt')
    return fetch(widgets, { method: 'POST', body })
  }
  const { widgets: stored } = (await (await upload()).json()) as { widgets: { id: string }[] }
  for (const method of ['PUT', 'GET']) s3.deny(method, 'widgets-', status)

  for (const answer of [await upload(), await fetch(`${widgets}/${stored[0]?.id}/content`)]) {
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    const line = await service.line(
      ({ msg, requestId }) => msg === 'request' && requestId === answer.headers.get('x-request-id'),
    )
    expect(line).toMatchObject({
      level: 'warn',
      err: { stack: expect.stringMatching(/S3|ECONN|hang up/) as unknown },
    })
  }

  expect(await service.sql('select from widgets')).toHaveLength(1)
})

test('a stop does not wait for an S3 that answers neither an upload nor its removal: exit 0', async (t) => {
  const s3 = await startS3(t)
  const env = { ...credentials, STORAGE_URL: s3.url, SHUTDOWN_DRAIN_MS: '0' }
  const service = await startService(t, { env })
  const body = new FormData()
  body.append('widget', new Blob(['abc']), 'a.txt')
  const uploaded = s3.hold('PUT', 'widgets-')
  const answer = fetch(`${service.url}/widgets`, { method: 'POST', body }).catch(() => undefined)
  await uploaded
  const removed = s3.hold('DELETE', 'widgets-')

  service.signal('SIGTERM')
  await removed

  expect(await service.exited).toMatchObject({ code: 0 })
  await answer
  expect(service.log.filter(({ msg }) => msg.startsWith('abandoned'))).toEqual([])
})
