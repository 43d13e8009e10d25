import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { consumers } from '../../src/consumers.ts'
import type { BrokerPlatform } from '../../src/platform/events/broker.ts'
import { consumer } from '../../src/platform/events/consumer.ts'
import { inboxWorker } from '../../src/platform/events/inbox.ts'
import type { Worker } from '../../src/platform/lifecycle/workers.ts'

const Data = z.object({ key: z.string(), text: z.string() })

/** Replaces src/consumers.ts: the service's consumers, and one for the guarantees, which does what the text of its event says. */
export function consumersWorker(platform: BrokerPlatform): Worker {
  const probe = consumer(
    { type: 'probe-v1', data: Data, timeoutMs: 10_000, maxAttempts: 2 },
    async (_ctx, { key, data: { text } }, q) => {
      await q.execute(sql`insert into effects (key, text) values (${key}, ${text})`)
      const [what, seconds] = text.split(' ')
      if (what === 'sleep') await q.execute(sql`select pg_sleep(${Number(seconds)}) as asleep`)
      if (what === 'fail') throw new Error('no luck')
      if (what !== 'flaky') return
      // A sequence is not rolled back.
      const { rows } = await q.execute<{ tries: string }>(sql`select nextval('tries') as tries`)
      if (Number(rows[0]?.tries) === 1) throw new Error('no luck yet')
    },
  )
  return inboxWorker(platform, [...consumers(platform), probe], { concurrency: 4 })
}
