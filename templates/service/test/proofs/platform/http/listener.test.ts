import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { withCancel } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { bind } from '../../../../src/platform/http/listener.ts'
import { recordedLog } from '../../support/recorded-log.ts'

const anyPort = { port: 0, purpose: 'listen', variable: 'PORT' }

test('connections that cannot be accepted are logged on one line, and the listener continues', async (t) => {
  const ctx = testContext(t)
  const log = recordedLog()
  const server = createServer((_request, response) => response.end('here'))
  const port = await bind(ctx, ctx, log, server, { ...anyPort, host: '127.0.0.1' })
  t.onTestFinished(() => server.close().closeAllConnections())

  // Node does this when accept() fails. On Linux, libuv does not report most such failures.
  const err = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' })
  for (let i = 0; i < 3; i++) server.emit('error', err)

  const fields = { address: `127.0.0.1:${port}`, err }
  expect(log.lines).toEqual([{ level: 'warn', message: 'a connection could not be accepted', fields }])
  expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe('here')
})

test('nothing stays bound if ctx ends while the name of the host is looked up', async (t) => {
  const ctx = withCancel(testContext(t))
  const server = createServer()
  const closed = once(server, 'close')
  const why = new Error('stopped')
  const binding = bind(ctx, ctx, recordedLog(), server, { ...anyPort, host: 'localhost' })

  ctx.cancel(why)

  await expect(binding).rejects.toBe(why)
  await closed
  await lookup('localhost')
  await setImmediate()
  expect(server.listening).toBe(false)
})
