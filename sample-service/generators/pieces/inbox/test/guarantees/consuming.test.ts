/**
 * Promise: An event is handled once in effect, in the order of its key; a failing event delays only its own key, and is parked in the end.
 * Go: a handler `func(ctx, event, tx)` whose writes and inbox row one `sql.Tx` commits, acknowledged after
 * Held by: src/platform/events/inbox.ts, src/platform/events/handle.ts, src/platform/events/held.ts, src/platform/events/retries.ts
 */
import { expect, test } from 'vitest'
import { keyBeside } from '../support/broker.ts'
import { eventually, liveTree, running } from '../support/client.ts'
import { anotherHandler, effects, outcome, parked, send, start, type } from '../support/handling.ts'
import { shared } from '../support/service.ts'

/** Two starts of the service, on a busy machine. */
const slow = { timeout: 90_000 }

// For the tests that end neither.
const started = shared((t) => start(t))

test('an event that arrives twice is handled once, and its handler runs below the server’s context', async () => {
  const { broker, service } = started()
  const id = await send(broker, 'twice', 'sleep 1')
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  const server = (await liveTree(service)).children.find(({ name }) => name === 'server')
  await send(broker, 'twice', 'sleep 1', id)

  expect(JSON.stringify(server)).toContain(`"event ${type}"`)
  await service.line(outcome('duplicate', id))
  expect(await effects(service, 'twice')).toEqual(['sleep 1'])
  await eventually(async () => !JSON.stringify(await liveTree(service)).includes(`"event ${type}"`))
})

test('events of a key are handled in order, and those of other keys at the same time', async () => {
  const { broker, service } = started()
  const [key, texts] = ['ordered', Array.from({ length: 10 }, (_, n) => String(n))]
  await send(broker, key, 'sleep 1')
  for (const text of texts) await send(broker, key, text)
  await eventually(async () => (await running(service, 'as asleep')) === 1)

  const other = await send(broker, keyBeside(key, 'other partition'), 'other')

  await service.line(outcome('handled', other))
  expect(await effects(service, key)).toEqual([])
  await eventually(async () => (await effects(service, key)).length === 11)
  expect(await effects(service, key)).toEqual(['sleep 1', ...texts])
})

test('an event that fails is tried again after a pause, and its key waits for it', async () => {
  const { broker, service } = started()

  const id = await send(broker, 'flaky', 'flaky')
  await service.line(outcome('failed', id))
  const next = await send(broker, 'flaky', 'next')

  await service.line(outcome('handled', next))
  const outcomes = service.log.filter(({ eventId }) => eventId === id).map(({ outcome }) => outcome)
  expect(outcomes).toEqual(['failed', 'handled'])
  expect(service.log.some(outcome('held', next))).toBe(true)
  expect(await effects(service, 'flaky')).toEqual(['flaky', 'next'])
})

test('a poison event is parked with its cause and delays only its key; after a replay it is handled in its place', async () => {
  const { broker, service } = started()
  const poison = await send(broker, 'poison', 'fail')
  await send(broker, 'poison', 'behind')
  const other = await send(broker, keyBeside('poison', 'same partition'), 'other')

  await service.line(outcome('parked', poison))
  await service.line(outcome('handled', other))

  expect(await effects(service, 'poison')).toEqual([])
  expect(await parked(service)).toMatch(
    new RegExp(`${poison}.*key poison, 2 attempts, 1 events.*no luck`, 's'),
  )
  await service.sql(`update events.held set data = replace(data, 'fail', 'mended') where id = $1`, [poison])
  expect(await parked(service, 'replay', poison)).toContain('1 event')
  await eventually(async () => (await effects(service, 'poison')).length === 2)
  expect(await effects(service, 'poison')).toEqual(['mended', 'behind'])
})

test(
  'SIGTERM: an event that outlasts the drain is cancelled in Postgres, and handled after the restart',
  slow,
  async (t) => {
    const { broker, service } = await start(t, { SHUTDOWN_DRAIN_MS: '100' })
    const id = await send(broker, 'a', 'sleep 2')
    await eventually(async () => (await running(service, 'as asleep')) === 1)

    service.signal('SIGTERM')

    expect(await service.exited).toEqual({ code: 0, signal: null })
    expect(service.log.find(outcome('given back', id))).toMatchObject({ cause: 'ServerShutdown' })
    expect(await running(service, 'as asleep')).toBe(0)
    expect(await effects(service)).toEqual([])
    const restarted = anotherHandler(t, service, broker)
    expect(await restarted.line(outcome('handled', id))).toMatchObject({ attempt: 1 })
    expect(await effects(service)).toEqual(['sleep 2'])
  },
)
