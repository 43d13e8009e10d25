/** In place of the one that is stamped: its handler does more. */
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { consumers } from '../../src/consumers.ts'
import type { Context } from '../../src/context/context.ts'
import type { Transaction } from '../../src/platform/database/transaction.ts'
import type { BrokerPlatform } from '../../src/platform/events/broker.ts'
import { consumer } from '../../src/platform/events/consumer.ts'
import { inboxWorker } from '../../src/platform/events/inbox.ts'
import type { Worker } from '../../src/platform/lifecycle/workers.ts'
import { callerOf } from '../../src/platform/request.ts'

const Data = z.object({ key: z.string(), text: z.string() })
/** What a later deploy reads: the old data, and those of a publisher that has split the text. */
const Later = z
  .object({ key: z.string(), text: z.string().optional(), words: z.array(z.string()).optional() })
  .transform(({ key, text, words = [] }) => ({ key, text: text ?? words.join(' ') }))

/** Replaces src/consumers.ts: the service's consumers, and one for the guarantees, which does what the text of its event says. */
export function consumersWorker(platform: BrokerPlatform): Worker {
  const deploy = process.env['PROBE_DEPLOY']
  const of = (type: string, data: typeof Data | typeof Later) =>
    consumer({ type, data, timeoutMs: 10_000, maxAttempts: 2 }, async (ctx, { key, data: { text } }, q) => {
      await q.execute(
        sql`insert into effects (key, text) values (${key}, ${text === 'who' ? callerOf(ctx) : text})`,
      )
      const [what = '', ...words] = text.split(' ')
      await behaviours[what]?.(ctx, q, words.join(' '))
    })
  const probes = deploy === 'later' ? [of('probe-v1', Later), of('probe-v2', Later)] : [of('probe-v1', Data)]
  if (deploy === 'twice') probes.push(...probes)
  return inboxWorker(platform, [...consumers(platform), ...probes], { concurrency: 4 })
}

/** What the handler does, by the first word of the text. */
const behaviours: Readonly<Record<string, (ctx: Context, q: Transaction, rest: string) => Promise<unknown>>> =
  {
    sleep: (_ctx, q, seconds) => q.execute(sql`select pg_sleep(${Number(seconds)}) as asleep`),
    fail: (_ctx, _q, why) => Promise.reject(new Error(`no luck ${why}`)),
    async flaky(_ctx, q) {
      // A sequence is not rolled back.
      const { rows } = await q.execute<{ tries: string }>(sql`select nextval('tries') as tries`)
      if (Number(rows[0]?.tries) === 1) throw new Error('no luck yet')
    },
    forever: () => new Promise(() => undefined),
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what a handler may do
    string: () => Promise.reject('a string'),
    swallow: (_ctx, q) => q.execute(sql`select pg_sleep(30) as asleep`).catch(() => undefined),
    nul: () => Promise.reject(new Error('no luck a\0b')),
    exit: () => process.exit(7),
  }
