import { request, type IncomingMessage } from 'node:http'
import { expect, test, type TestContext } from 'vitest'
import { eventually, liveContexts, open, running } from '../../test/support/client.ts'
import { openOwnDatabase } from '../../test/support/database.ts'
import { sharedService, startService, type RunningService } from '../../test/support/service.ts'
import { publishWidget, widgetList } from './widget.events.ts'

const shared = sharedService()
const path = '/widget/events'

/** A client that follows the events. */
interface Follower {
  /** The texts of the events so far. */
  readonly texts: string[]
  /** The id of the last event. */
  lastId(): string | undefined
  /** Resolves when the stream has ended, with whether it is complete. */
  readonly ended: Promise<boolean>
  readonly response: IncomingMessage
  leave(): void
}

async function follow(service: RunningService, headers: Record<string, string> = {}): Promise<Follower> {
  const sent = request(service.url + path, { headers, agent: false })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject).end()
  })
  expect(response.headers['content-type']).toBe('text/event-stream')
  let received = ''
  response.setEncoding('utf8').on('error', () => undefined)
  const ended = new Promise<boolean>((resolve) => response.on('close', () => resolve(response.complete)))
  const texts: string[] = []
  response.on('data', (chunk: string) => {
    received += chunk
    texts.splice(
      0,
      Infinity,
      ...Array.from(received.matchAll(/^data: \{"text":"(.*)"\}$/gm), ([, text]) => text ?? ''),
    )
  })
  await eventually(async () => received.startsWith('retry: '))
  const lastId = () => Array.from(received.matchAll(/^id: (.*)$/gm)).at(-1)?.[1]
  return { texts, lastId, ended, response, leave: () => sent.destroy() }
}

async function openPublisher(t: TestContext) {
  const { ctx, db } = await openOwnDatabase(t, shared())
  const publish = (...texts: string[]) =>
    db.transaction(ctx, async (q) => {
      for (const text of texts) await publishWidget(q, { text })
    })
  return { ctx, db, publish }
}

test('each client gets all committed events in the same order, and no event that was rolled back', async (t) => {
  const { ctx, db, publish } = await openPublisher(t)
  const followers = await Promise.all([follow(shared()), follow(shared())])
  const rolledBack = db.transaction(ctx, async (q) => {
    await publishWidget(q, { text: 'no' })
    throw new Error('rolled back')
  })
  await expect(rolledBack).rejects.toThrow('rolled back')

  await publish('a', 'b')
  await publish('c')

  for (const { texts } of followers) await eventually(async () => texts.join() === 'a,b,c')
  for (const follower of followers) follower.leave()
})

test('a client that reconnects gets the events that it missed, including those published earlier but committed later', async (t) => {
  const { ctx, db, publish } = await openPublisher(t)
  const first = await follow(shared())
  const list = widgetList(db)
  const start = await list.newest(ctx)
  await db.transaction(ctx, async (q, ctx) => {
    await publishWidget(q, { text: 'slow' })
    await publish('quick')
    expect(await list.after(ctx, start)).toEqual([])
  })
  await eventually(async () => first.texts.length === 2)
  const id = first.lastId() ?? ''
  first.leave()
  await publish('missed')

  const second = await follow(shared(), { 'last-event-id': id })

  await eventually(async () => second.texts.join() === 'missed')
  expect(first.texts).toEqual(['slow', 'quick'])
  second.leave()
})

test('a Last-Event-ID that is not an id is 400', async () => {
  const large = [
    '9999999999999999999-1',
    '1-9999999999999999999',
    '9223372036854775808-0',
    `1-${'0'.repeat(9_000)}1`,
  ]
  for (const id of ['7', '1-', '-1', '-1-1', '1--1', '1.5-1', '1e3-1', '0x1-1', "1-1'", '1-1, 1-1', ...large])
    expect((await open(shared().url + path, 'GET', { 'last-event-id': id }).answer).status, id).toBe(400)
})

test('a client whose id is newer than all events, as after a restore, gets all new events', async (t) => {
  const { publish } = await openPublisher(t)
  await publish('before')
  const follower = await follow(shared(), { 'last-event-id': '9223372036854775807-1' })

  await publish('after')

  await eventually(async () => follower.texts.join() === 'after')
  follower.leave()
})

test('HEAD has the headers of the stream, and ends', async () => {
  const response = await fetch(shared().url + path, { method: 'HEAD' })

  expect(response.headers.get('content-type')).toBe('text/event-stream')
  expect(response.headers.get('x-accel-buffering')).toBe('no')
  expect(await liveContexts(shared())).not.toContain(path)
})

test('a client that leaves leaves nothing behind', async (t) => {
  const service = await startService(t)
  const follower = await follow(service, { 'x-request-id': 'left' })

  follower.leave()

  const line = await service.line(({ requestId }) => requestId === 'left')
  expect(line).toMatchObject({ status: 499, cause: 'ClientDisconnected' })
  expect(await liveContexts(service)).not.toContain(path)
  expect(await running(service, 'widget_events')).toBe(0)
})

test('the stream ends by itself before its deadline', async () => {
  const headers = { 'x-envoy-expected-rq-timeout-ms': '1000', 'x-request-id': 'late' }
  const follower = await follow(shared(), headers)

  expect(await follower.ended).toBe(true)

  expect(await shared().line(({ requestId }) => requestId === 'late')).toMatchObject({ status: 200 })
})

test('a shutdown ends the streams at once, without cancelling them', async (t) => {
  const service = await startService(t, { env: { SHUTDOWN_DRAIN_MS: '10000' } })
  const followers = await Promise.all([follow(service), follow(service)])
  const startedAt = performance.now()

  service.signal('SIGTERM')

  for (const { ended } of followers) expect(await ended).toBe(true)
  expect(await service.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})
