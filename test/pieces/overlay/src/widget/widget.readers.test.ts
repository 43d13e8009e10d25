import { expect, test } from 'vitest'
import { openOwnDatabase } from '../../test/support/database.ts'
import { sharedService } from '../../test/support/service.ts'
import { feedOf } from '../platform/feed/feed.ts'
import { createLog } from '../platform/telemetry/log.ts'
import { publishWidget, widgetList } from './widget.events.ts'

const shared = sharedService()

test('many readers at the end of the list share one query', async (t) => {
  const { ctx, db } = await openOwnDatabase(t, shared())
  const list = widgetList(db)
  let queries = 0
  const feed = feedOf(createLog({ level: 'silent', service: 'test' }), {
    newest: (ctx, id) => list.newest(ctx, id),
    after(ctx, id) {
      queries++
      return list.after(ctx, id)
    },
  })
  const start = await feed.begin(ctx)
  // The first reader makes the feed know its end.
  await feed.next(ctx, start)
  queries = 0
  await db.transaction(ctx, (q) => publishWidget(q, { text: 'shared' }))

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
