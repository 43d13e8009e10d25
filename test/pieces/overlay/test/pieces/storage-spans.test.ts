import { expect, test } from 'vitest'
import { expectKnownNames, ownNames, startJsonCollector } from '../proofs/support/conventions.ts'
import { eventually } from '../support/client.ts'
import { startS3 } from '../support/s3.ts'
import { startService } from '../support/service.ts'

test('a call to S3 is a span of a client, named by the conventions', async (t) => {
  const received = await startJsonCollector(t)
  const s3 = await startS3(t)
  const service = await startService(t, {
    env: {
      AWS_ACCESS_KEY_ID: 'nobody',
      AWS_SECRET_ACCESS_KEY: 'nothing',
      STORAGE_URL: s3.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: received.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    },
  })
  const widgets = `${service.url}/widgets`
  const body = new FormData()
  body.append('widget', new Blob(['abc']), 'a.txt')
  expect((await fetch(widgets, { method: 'POST', body })).status).toBe(201)
  s3.deny('PUT', '', 403)
  expect((await fetch(widgets, { method: 'POST', body })).status).toBe(500)
  await eventually(async () => named('PutObject').length === 2)

  const { port } = new URL(new URL(s3.url).searchParams.get('endpoint') ?? '')
  const attributes = {
    'rpc.system.name': 'aws-api',
    'rpc.method': 'S3/PutObject',
    'aws.s3.bucket': 'bucket',
    'aws.s3.key': expect.stringMatching(/^some\/folder\/widgets-[\da-f-]{36}$/) as unknown,
    'server.address': '127.0.0.1',
    'server.port': Number(port),
  }
  const [stored, refused] = named('PutObject')
  expect(stored).toMatchObject({ kind: 3, attributes: { ...attributes, 'http.response.status_code': 200 } })
  expect(refused).toMatchObject({
    kind: 3,
    attributes: { ...attributes, 'http.response.status_code': 403, 'error.type': 'AccessDenied' },
    status: { code: 2 },
  })
  expectKnownNames(received, new RegExp(`${ownNames.source}|^widget\\.`))

  function named(operation: string) {
    return received.spans.filter(({ name }) => name === `S3.${operation}`)
  }
})
