import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { eventually } from '../support/client.ts'
import { startS3 } from '../support/s3.ts'
import { startService, type RunningService } from '../support/service.ts'

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

/** Uploads `size` bytes. @returns the URL of the content */
async function stored({ url }: RunningService, size: number): Promise<string> {
  const body = new FormData()
  body.append('widget', new Blob([new Uint8Array(size)]), 'a.bin')
  const answer = await fetch(`${url}/widgets`, { method: 'POST', body })
  const { widgets } = (await answer.json()) as { widgets: { id: string }[] }
  return `${url}/widgets/${widgets[0]?.id}/content`
}

test('clients that stop reading hold up no other, and what they hold at S3 is released when they leave', async (t) => {
  const s3 = await startS3(t)
  const service = await startService(t, { env: { ...credentials, STORAGE_URL: s3.url } })
  const content = await stored(service, 200_000)
  s3.answer('GET', new URL(content).pathname.split('/')[2] ?? '', (response) => {
    response.writeHead(200, { 'content-length': 200_000 }).write(new Uint8Array(100_000))
  })
  const paused = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const request = get(content, { agent: false })
      const [answer] = (await once(request, 'response')) as [IncomingMessage]
      answer.pause().on('error', () => undefined)
      return request
    }),
  )

  const other = await fetch(await stored(service, 3))

  expect((await other.arrayBuffer()).byteLength).toBe(3)
  expect(s3.open()).toBe(60)
  for (const request of paused) request.destroy()
  await eventually(async () => Promise.resolve(s3.open() === 0))
})

test.for([
  ['breaks the connection', (response: ServerResponse) => response.destroy(), 503],
  [
    'breaks the connection after its headers',
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-length': 100_000 }).flushHeaders()
      setTimeout(() => response.destroy(), 50)
    },
    503,
  ],
  [
    'breaks the connection half-way',
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-length': 100_000 }).write(new Uint8Array(50_000))
      setTimeout(() => response.destroy(), 50)
    },
    'terminated',
  ],
  ['sends a shorter file', (response: ServerResponse) => response.end('short'), 'terminated'],
  ['sends a longer file', (response: ServerResponse) => response.end(new Uint8Array(100_001)), 'terminated'],
] as const)('if S3 %s, no client takes the download for whole', async ([, how, expected], t) => {
  const s3 = await startS3(t)
  const service = await startService(t, { env: { ...credentials, STORAGE_URL: s3.url } })
  const content = await stored(service, 100_000)
  s3.answer('GET', 'widgets-', how)

  const answer = await fetch(content)
  const outcome = await answer.arrayBuffer().then(
    () => answer.status,
    (error: unknown) => String(error).replace('TypeError: ', ''),
  )

  expect(outcome).toBe(expected)
  const line = await service.line(
    ({ msg, requestId }) => msg === 'request' && requestId === answer.headers.get('x-request-id'),
  )
  expect(line['err']).toBeDefined()
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

test('a stop does not wait for an S3 that removes neither of two files of a failed upload: exit 0', async (t) => {
  const s3 = await startS3(t)
  const env = { ...credentials, STORAGE_URL: s3.url, SHUTDOWN_DRAIN_MS: '0' }
  const service = await startService(t, { env })
  const body = new FormData()
  body.append('widget', new Blob(['abc']), 'a.txt')
  body.append('widget', new Blob(['def']), 'b.txt')
  let stored = 0
  s3.answer('PUT', 'widgets-', (response) => stored++ === 0 && response.end())
  const removals: number[] = []
  s3.answer('DELETE', 'widgets-', () => removals.push(performance.now()))
  const answer = fetch(`${service.url}/widgets`, { method: 'POST', body }).catch(() => undefined)
  await eventually(async () => Promise.resolve(stored === 2))

  service.signal('SIGTERM')

  expect(await service.exited).toMatchObject({ code: 0 })
  await answer
  // The file that was being stored, then the one that was.
  expect(removals).toHaveLength(2)
  expect(service.log.filter(({ msg }) => msg.startsWith('abandoned'))).toEqual([])
})
