import { expect, test } from 'vitest'
import { sleep } from '../../context/sleep.ts'
import { testContext } from '../../context/test-context.ts'
import { createLog } from '../telemetry/log.ts'
import { feedOf, type Entry } from './feed.ts'

test('many readers at the end of the list share one query', async (t) => {
  const ctx = testContext(t)
  const list: Entry[] = []
  let queries = 0
  const feed = feedOf(createLog({ level: 'silent', service: 'test' }), {
    newest: async () => String(list.length),
    async after(ctx, id) {
      queries++
      await sleep(ctx, 5)
      return list.slice(Number(id))
    },
  })
  const start = await feed.begin(ctx)
  // The first reader makes the feed know its end.
  await feed.next(ctx, start)
  queries = 0
  list.push({ id: '1' })

  const got = await Promise.all(
    Array.from({ length: 100 }, async () => {
      let step = await feed.next(ctx, start)
      while (step.entries.length === 0) step = await feed.next(ctx, step.id)
      return step.entries.length
    }),
  )

  expect(new Set(got)).toEqual(new Set([1]))
  expect(queries).toBeLessThan(10)
})
