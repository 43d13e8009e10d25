import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from '../../../../scripts/postgres/address.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { listen } from '../../../../src/platform/http/server.ts'
import { recordedLog } from '../../support/recorded-log.ts'

test('a server whose worker cannot start does not keep its port', async (t) => {
  const ctx = testContext(t)
  const port = await freePort(false)
  const worker = { name: 'jobs', start: () => Promise.reject(new Error('there is no queue')) }
  const options = {
    host: '127.0.0.1',
    port,
    keepAliveMs: 1_000,
    receiveTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    bodyMaxBytes: 1_000,
    recent: undefined,
  }

  const listening = listen(ctx, ctx, recordedLog(), { routes: [], workers: [worker] }, options)

  await expect(listening).rejects.toThrow('there is no queue')
  const next = createServer().listen(port, '127.0.0.1')
  await once(next, 'listening')
  next.close()
})
