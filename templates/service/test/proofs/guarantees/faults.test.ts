/**
 * Promise: An unawaited failure is logged with its place, its request and the lint rule that finds it.
 * Go: a panic prints the stack of its goroutine, with the line that started it (`created by`)
 * Held by: src/platform/lifecycle/fault.ts, src/platform/lifecycle/process.ts, src/platform/telemetry/started.ts, src/platform/database/database.ts
 */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startService } from '../../support/service.ts'
import { proofs } from '../support/probes.ts'

test.for([
  ['fails', '(q) => q.execute(statement)', 'division by zero'],
  ['ends', '(q) => q.execute(statement)', 'context canceled'],
  ['other', "new Error('failed, and", 'failed, and nobody awaited it'],
] as const)(
  'a failure that nobody awaited (%s) is logged with its place, its request and the lint rule that finds it',
  async ([how, code, message], t) => {
    const service = await startService(t, { probe: proofs })
    const source = await readFile(new URL('../support/probe.routes.ts', import.meta.url), 'utf8')
    const line = source.slice(0, source.indexOf(code)).split('\n').length

    await fetch(`${service.url}/probe/unawaited/${how}`, { headers: { 'x-request-id': 'forgotten' } })

    expect((await service.exited).code).toBe(1)
    const fault = service.log.find((entry) => entry.msg === 'unhandled fault')
    const request = { method: 'GET', path: `/probe/unawaited/${how}`, route: '/probe/unawaited/:how' }
    expect(fault).toMatchObject({
      startedAt: expect.stringContaining(`test/proofs/support/probe.routes.ts:${line}:`) as string,
      hint: expect.stringMatching(/^nobody awaited it: .*context\/no-unowned-work/) as string,
      ...(how !== 'other' && { ...request, requestId: 'forgotten' }),
    })
    expect(fault?.['err']).toMatchObject({ message })
  },
)

test('a rejection with a string, which has no stack, is logged with the handler that was called last', async (t) => {
  const service = await startService(t, { probe: proofs })

  await fetch(`${service.url}/probe/unawaited/text`, { headers: { 'x-request-id': 'forgotten' } })

  expect((await service.exited).code).toBe(1)
  expect(service.log.find((entry) => entry.msg === 'unhandled fault')).toMatchObject({
    lastCalled: expect.stringMatching(
      /^GET \/probe\/unawaited\/:how \(.*probe\.routes\.\w+:\d+:\d+\)$/,
    ) as string,
    path: '/probe/unawaited/text',
    requestId: 'forgotten',
    err: { type: 'string', message: 'a mere text' },
  })
})

test('a call with a bound function, whose place is unknown, is logged with its request and no warning', async (t) => {
  const service = await startService(t, { probe: proofs })

  await fetch(`${service.url}/probe/unawaited/bound`, { headers: { 'x-request-id': 'forgotten' } })

  expect((await service.exited).code).toBe(1)
  expect(service.log.find((entry) => entry.msg === 'unhandled fault')).toMatchObject({
    path: '/probe/unawaited/bound',
    requestId: 'forgotten',
    err: { message: 'division by zero' },
  })
  expect(service.log.filter((entry) => entry.msg === 'warning of Node')).toEqual([])
})
