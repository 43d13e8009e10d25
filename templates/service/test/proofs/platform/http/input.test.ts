import { once } from 'node:events'
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, test, type TestContext } from 'vitest'
import { DeadlineExceeded, withCancel, withTimeout } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { bodyBudget, readJson } from '../../../../src/platform/http/input.ts'

test('reading a JSON body ends with its context and rejects with the cause, even if the client stays connected', async (t) => {
  const incoming = await receive(t, '{ "half": ')
  using ctx = withCancel(testContext(t))
  const reading = readJson(ctx, whole(incoming), bodyBudget(1_000))

  ctx.cancel(new Error('nobody wants it any more'))

  await expect(reading).rejects.toThrow('nobody wants it any more')
  expect(incoming.destroyed).toBe(false)
  expect(incoming.listenerCount('data')).toBe(0)
})

test('a passed deadline also ends it', async (t) => {
  const incoming = await receive(t, '{')
  using ctx = withTimeout(testContext(t), 20)

  await expect(readJson(ctx, whole(incoming), bodyBudget(1_000))).rejects.toBe(DeadlineExceeded)
})

test('a cut-off body is a mistake of the client', async (t) => {
  const incoming = await receive(t, '{')
  const reading = readJson(testContext(t), whole(incoming), bodyBudget(1_000))

  incoming.socket.destroy()

  await expect(reading).rejects.toMatchObject({ status: 400, message: 'the body was cut off' })
})

test('a body that was cut off before the service reads it is refused at once', async (t) => {
  const incoming = await receive(t, '{')
  const closed = new Promise((resolve) => incoming.on('error', () => undefined).on('close', resolve))
  incoming.socket.destroy()
  await closed

  const reading = readJson(testContext(t), whole(incoming), bodyBudget(1_000))

  await expect(reading).rejects.toMatchObject({ status: 400, message: 'the body was cut off' })
})

test('a body that a guard has read is a fault of the service, and is reported without waiting', async (t) => {
  const incoming = await receive(t, '{}', true)
  await buffer(incoming)

  const reading = readJson(testContext(t), whole(incoming), bodyBudget(1_000))

  await expect(reading).rejects.toThrow('a guard or a middleware has read the body, so the route cannot')
})

test('bodies that arrive together are refused beyond their budget, and give back what they held', async (t) => {
  const budget = { maxBytes: 1_000, totalBytes: 1_500, heldBytes: 0 }
  const half = `"${'x'.repeat(900)}`
  const first = await receive(t, half)
  const reading = readJson(testContext(t), whole(first), budget)
  await once(first, 'data')
  const second = await receive(t, half)

  const refused = readJson(testContext(t), whole(second), budget)

  await expect(refused).rejects.toMatchObject({
    status: 503,
    message: 'the service is busy: too many large bodies arrive at once',
    headers: { 'retry-after': '1', connection: 'close' },
  })
  expect(budget.heldBytes).toBe(901)
  first.socket.destroy()
  await expect(reading).rejects.toMatchObject({ status: 400 })
  expect(budget.heldBytes).toBe(0)
})

/** In the form in which the boundary passes it on. */
function whole(incoming: IncomingMessage) {
  return { headers: incoming.headers, body: incoming }
}

/** A request as a server gets it, of whose body only the beginning has arrived, unless that is `all`. */
async function receive(t: TestContext, beginning: string, all = false): Promise<IncomingMessage> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const client = request({ port, method: 'POST', headers: { 'content-type': 'application/json' } })
  client.on('error', () => undefined)
  t.onTestFinished(() => {
    client.destroy()
    server.close()
  })
  if (all) client.end(beginning)
  else client.write(beginning)
  const [incoming] = (await once(server, 'request')) as [IncomingMessage]
  return incoming
}
