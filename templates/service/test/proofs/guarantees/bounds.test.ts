/**
 * Promise: The process holds a bounded number of requests sent ahead, and bounded bytes of arriving bodies.
 * Go: no bound; `http.Server` reads the next request of a connection after the answer to the one before
 * Held by: src/platform/http/limits.ts, src/platform/http/input.ts
 */
import { expect, test } from 'vitest'
import { connection, eventually, running } from '../../support/client.ts'
import { startService } from '../../support/service.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

test('a hundred requests may wait on a connection; one more closes it, and cancels the running one', async (t) => {
  const service = await startService(t, { probe: true })
  const patient = connection(service)
  const flood = connection(service)
  patient.send(get('/probe/query?seconds=0.5') + get('/livez').repeat(100))
  expect((await patient.received('"alive"', 100)).split('200 OK')).toHaveLength(102)
  patient.hangUp()

  flood.send(get('/probe/query?seconds=30'))
  await eventually(async () => (await running(service, 'pg_sleep(')) === 1)
  flood.send(get('/livez').repeat(101))

  expect(await flood.closed).toBe('')
  await service.line(({ msg }) => msg === 'closed a connection: more than 100 requests waited on it')
  await eventually(async () => (await running(service, 'pg_sleep(')) === 0)
})

test('bodies that arrive may take 64 times BODY_MAX_BYTES in all; one more is a 503, and later ones are read again', async (t) => {
  const service = await startService(t, { probe: true, env: { BODY_MAX_BYTES: '1000' } })
  const text = JSON.stringify({ text: 'x'.repeat(985) })
  const head = `POST /probe/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`
  const slow = Array.from({ length: 64 }, () => connection(service))
  for (const client of slow) client.send(head + text.slice(0, -1))
  // All have arrived when the service refuses one more, even with a small part of its body.
  const isRefused = async (): Promise<boolean> => {
    const late = connection(service)
    late.send(head + text.slice(0, 900))
    const refused = late.received('HTTP/1.1 503 ').then(() => true)
    const soon = new Promise<boolean>((resolve) => setTimeout(resolve, 500, false))
    const is = await Promise.race([refused.catch(() => false), soon])
    late.hangUp()
    return is
  }
  await eventually(isRefused, 20_000)

  for (const client of slow) client.send(text.slice(-1))
  for (const client of slow) expect(await client.received('xxx', 1)).toContain('HTTP/1.1 200 ')
  for (const client of slow) client.hangUp()
  const again = connection(service)
  again.send(head + text)
  expect(await again.received('xxx', 1)).toContain('HTTP/1.1 200 ')
  again.hangUp()
})

test('a body in chunks of one byte takes no more memory than its bytes', { timeout: 60_000 }, async (t) => {
  const env = { NODE_OPTIONS: '--max-old-space-size=128', REQUEST_TIMEOUT_MS: '60000' }
  const service = await startService(t, { probe: true, env })
  const head =
    'POST /probe/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
  const blanks = '1\r\n \r\n'.repeat(400_000)
  const clients = Array.from({ length: 4 }, () => connection(service))

  for (const client of clients) client.send(`${head}${blanks}c\r\n{"text":"x"}\r\n0\r\n\r\n`)

  for (const client of clients) {
    expect(await client.received('"x"')).toContain('HTTP/1.1 200 ')
    client.hangUp()
  }
})
