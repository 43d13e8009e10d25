/**
 * Promise: Work that stops because its context ended is counted by layer and cause, with how long it kept running after the end.
 * Go: `context.Cause(ctx)` in a counter's label, and `time.Since(end)` in a histogram, by hand in each handler
 * Held by: src/platform/telemetry/metrics.ts
 */
import { expect, test } from 'vitest'
import { eventually, open, running } from '../support/client.ts'
import { startService, type RunningService } from '../support/service.ts'

/** The value of each series of `name`, by its labels as `/metrics` prints them. */
async function series({ adminUrl }: RunningService, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.split(/[{ ]/)[0] === name)
  return new Map(lines.map((line) => [/\{(.*)\}/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]))
}

/** How often work of a layer has stopped for a cause, and the total in seconds. */
async function unwound(service: RunningService, layer: string, cause: string) {
  const labels = `context_layer="${layer}",context_cause="${cause}"`
  const count = await series(service, 'context_unwind_duration_seconds_count')
  const sum = await series(service, 'context_unwind_duration_seconds_sum')
  return { count: count.get(labels), seconds: sum.get(labels) }
}

test.for([
  ['a client that hangs up', 'ClientDisconnected', '30000'],
  ['a deadline that passes', 'DeadlineExceeded', '500'],
] as const)(
  '%s counts once for the request and once for its statement, and both stop soon',
  async ([, cause, ms], t) => {
    const service = await startService(t, { probe: true, env: { REQUEST_TIMEOUT_MS: ms } })
    expect((await fetch(`${service.url}/probe/query?seconds=0`)).status).toBe(200)
    const request = open(`${service.url}/probe/query?seconds=30`)
    await eventually(async () => (await running(service, 'pg_sleep')) === 1)

    if (cause === 'ClientDisconnected') request.hangUp()
    await service.line((line) => line['cause'] === cause)

    for (const layer of ['http', 'database']) {
      const { count, seconds } = await unwound(service, layer, cause)
      expect(count, layer).toBe(1)
      expect(seconds, layer).toBeGreaterThan(0)
      expect(seconds, layer).toBeLessThan(5)
    }
    const all = await series(service, 'context_unwind_duration_seconds_count')
    expect(all.size, 'what ended in good order is not counted').toBe(2)
    const cancels = [...(await series(service, 'db_client_cancels_total'))]
    expect(cancels).toEqual([['db_client_cancel_outcome="control"', expect.any(Number)]])
  },
)

test('work that ignores its context counts for as long as it keeps running', async (t) => {
  const service = await startService(t, { probe: true, env: { REQUEST_TIMEOUT_MS: '300' } })

  expect((await fetch(`${service.url}/probe/deaf?seconds=1`)).status).toBe(504)
  await service.line(({ msg }) => msg === 'request')

  const { count, seconds } = await unwound(service, 'http', 'DeadlineExceeded')
  expect(count).toBe(1)
  expect(seconds).toBeGreaterThan(0.5)
})

test('metrics show the memory of the process, and the heap with its limit', async (t) => {
  const service = await startService(t)
  const value = async (name: string) =>
    [...(await series(service, name)).values()].reduce((sum, each) => sum + each, 0)

  const rss = await value('process_memory_usage_bytes')
  const used = await value('v8js_memory_heap_used_bytes')
  const limit = await value('process_heap_limit_bytes')

  expect(rss).toBeGreaterThan(used)
  expect(used).toBeGreaterThan(1_000_000)
  expect(limit).toBeGreaterThan(used)
})
