/** Events whose data have changed: before, during and after the deploy that reads them. */
import { expect, test } from 'vitest'
import { eventually, running } from '../support/client.ts'
import { makeStream } from '../support/operator.ts'
import { effects, outcome, parked, send, start, type } from '../support/handling.ts'
import { startProcess } from '../support/service.ts'

/** Several starts of the service, on a busy machine. */
const slow = { timeout: 120_000 }

test(
  'new data under the old name are parked with the field, and replayed after the deploy; a new version waits in the broker',
  slow,
  async (t) => {
    const { broker, service } = await start(t)
    await makeStream(broker, 'probe-v2', {})
    const split = await broker.send(type, 'a', { key: 'a', words: ['split', 'text'] })
    await service.line(outcome('parked', split))
    expect(await parked(service)).toMatch(
      new RegExp(`${split}.*this service cannot read the data: text: is required`, 's'),
    )
    await send(broker, 'a', 'behind')
    const next = await broker.send('probe-v2', 'b', { key: 'b', words: ['version', '2'] })
    await send(broker, 'c', 'sleep 2')
    await eventually(async () => (await running(service, 'as asleep')) === 1)

    const { databaseUrl, uploadDir } = service
    const env = { BROKER_URL: broker.url, DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir }
    const later = startProcess(t, { probe: true, env: { ...env, PROBE_DEPLOY: 'later' } })
    await later.line(outcome('handled', next))
    service.signal('SIGTERM')
    expect(await service.exited).toEqual({ code: 0, signal: null })

    expect(await effects(service)).toEqual([])
    expect(await parked(service, 'replay', split)).toContain('1 event')
    await eventually(async () => (await effects(service)).length === 2, 20_000)
    expect(await effects(service)).toEqual(['split text', 'behind'])
    expect(await effects(service, 'b')).toEqual(['version 2'])
    expect(await effects(service, 'c')).toEqual(['sleep 2'])
  },
)

test('while an old and a new instance run, each event of both versions is handled once', slow, async (t) => {
  const { broker, service } = await start(t)
  await makeStream(broker, 'probe-v2', {})
  const { databaseUrl, uploadDir } = service
  const env = { BROKER_URL: broker.url, DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir }
  const later = startProcess(t, { probe: true, env: { ...env, PROBE_DEPLOY: 'later' } })
  await later.line(({ msg }) => msg.includes('connected to the broker'))

  const numbers = Array.from({ length: 20 }, (_, n) => String(n))
  for (const text of numbers) {
    await send(broker, 'one', text)
    await broker.send('probe-v2', 'two', { key: 'two', text })
  }

  await eventually(async () => (await effects(service, 'one')).length === 20, 30_000)
  await eventually(async () => (await effects(service, 'two')).length === 20, 30_000)
  expect(await effects(service, 'one')).toEqual(numbers)
  expect(await effects(service, 'two')).toEqual(numbers)
  expect(await parked(service)).toContain('Nothing is parked')
})

test(
  'two consumers of one type are refused at the start: each event would reach one of them',
  slow,
  async (t) => {
    const { broker, service } = await start(t)
    const { databaseUrl, uploadDir } = service
    const env = { BROKER_URL: broker.url, DATABASE_URL: databaseUrl, UPLOAD_DIR: uploadDir }

    const { log, exited } = startProcess(t, { probe: true, env: { ...env, PROBE_DEPLOY: 'twice' } })

    expect(await exited).toEqual({ code: 1, signal: null })
    expect(JSON.stringify(log)).toContain('src/consumers.ts has two consumers of probe-v1')
  },
)
