import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { beforeAll, expect, test } from 'vitest'
import { startS3 } from '../../../test/support/s3.ts'
import { testContext } from '../../context/test-context.ts'
import { Problem } from '../problem.ts'
import { openS3Storage } from './s3.ts'

const key = 'notes-01890a5d-ac96-774b-bcce-b302099a8057'
const credentials = { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing', AWS_MAX_ATTEMPTS: '1' }
beforeAll(() => void Object.assign(process.env, credentials))

const page = (status: number, type: string, text: string) => (response: ServerResponse) =>
  response.writeHead(status, { 'content-type': type }).end(text)
const xml = (status: number, code: string) =>
  page(status, 'application/xml', `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
const html = '<html><head><title>502 Bad Gateway</title></head><body>nginx</body>'

test.for([
  ['a load balancer sends a page of 502', page(502, 'text/html', html)],
  ['a load balancer sends a 504 without a body', page(504, 'text/html', '')],
  ['it is overloaded', xml(503, 'SlowDown')],
  ['it limits the rate', xml(429, 'TooManyRequests')],
  ['it waited for the connection', xml(400, 'RequestTimeout')],
  [
    'it breaks off its answer',
    (response: ServerResponse) => response.writeHead(500).write('<Er') && response.destroy(),
  ],
] as const)('if S3 fails because %s, the error is a 503 Problem', async ([, how], t) => {
  const ctx = testContext(t)
  const s3 = await startS3(t)
  const storage = await openS3Storage(ctx, new URL(s3.url))
  for (const method of ['PUT', 'GET', 'DELETE']) s3.answer(method, key, how)

  const calls = await Promise.allSettled([
    storage.put(ctx, key, Readable.from([Buffer.from('x')])),
    storage.open(ctx, key),
    storage.delete(ctx, key),
  ])

  for (const call of calls) expect(call).toMatchObject({ reason: { name: 'Problem', status: 503 } })
})

test.for([
  ['it forbids it', xml(403, 'AccessDenied')],
  ['its clock differs', xml(403, 'RequestTimeTooSkewed')],
] as const)('if S3 refuses because %s, the error is its own', async ([, how], t) => {
  const ctx = testContext(t)
  const s3 = await startS3(t)
  const storage = await openS3Storage(ctx, new URL(s3.url))
  s3.answer('DELETE', key, how)

  await expect(storage.delete(ctx, key)).rejects.not.toBeInstanceOf(Problem)
})

test('a mistake in a request is no 503, though its error has a code', async (t) => {
  const s3 = await startS3(t)
  process.env['AWS_SESSION_TOKEN'] = 'two\nlines'
  t.onTestFinished(() => {
    delete process.env['AWS_SESSION_TOKEN']
  })

  const opened = openS3Storage(testContext(t), new URL(s3.url))

  await expect(opened).rejects.toMatchObject({ cause: { code: 'ERR_INVALID_CHAR' } })
})

test.for([
  ['nobody listens', undefined],
  ['the name is unknown', 'http://nowhere.invalid'],
] as const)('if %s, the error is a 503 Problem', async ([, address], t) => {
  const ctx = testContext(t)
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  const endpoint = address ?? `http://127.0.0.1:${port}`

  const opened = openS3Storage(ctx, new URL(`s3://bucket?endpoint=${endpoint}`))

  await expect(opened).rejects.toMatchObject({ cause: { name: 'Problem', status: 503 } })
})

test('if the server of the credentials does not answer, the error is a 503 Problem', async (t) => {
  const ctx = testContext(t)
  const s3 = await startS3(t)
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = credentials
  delete process.env['AWS_ACCESS_KEY_ID']
  delete process.env['AWS_SECRET_ACCESS_KEY']
  process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = 'http://127.0.0.1:1/'
  t.onTestFinished(() => {
    delete process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI']
    Object.assign(process.env, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY })
  })

  await expect(openS3Storage(ctx, new URL(s3.url))).rejects.toMatchObject({
    cause: { name: 'Problem', status: 503 },
  })
})
