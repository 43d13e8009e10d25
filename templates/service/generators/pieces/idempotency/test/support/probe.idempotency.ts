import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../../src/context/context.ts'
import { requestOf } from '../../src/platform/request.ts'
import type { Guard } from '../../src/platform/http/guard.ts'
import { idempotent } from '../../src/platform/idempotency/idempotent.ts'
import { notFound } from '../../src/platform/problem.ts'
import { route, type Route } from '../../src/platform/http/route.ts'
import type { Platform } from '../../src/platform/platform.ts'

/** A value that a schema may return. JSON has the same form for all of them. */
class Place {
  readonly #name: string
  constructor(name: string) {
    this.#name = name
  }
  toString() {
    return this.#name
  }
}

const Payment = z.object({
  /** Seconds that the work takes inside Postgres, once its row is inserted. */
  seconds: z.number().default(0),
  ends: z.enum(['well', 'with a problem', 'with a 503', 'with a stream', 'with nothing']).default('well'),
  amount: z.number(),
  rates: z.record(z.string(), z.number()).optional(),
  items: z
    .array(z.string())
    .transform((items) => new Set(items))
    .optional(),
  place: z
    .string()
    .transform((name) => new Place(name))
    .optional(),
})

/** Routes that insert rows into the table `payments`, which the test makes. */
export function probeIdempotentRoutes(platform: Platform): Route[] {
  const payments = (method: Route['method'], path: string) =>
    route({
      method,
      path,
      summary: 'Inserts a row',
      tags: ['probe'],
      body: Payment,
      responses: { 201: { description: 'Inserted' } },
      guard: whoCalls,
      handle: (ctx, { body }) => pay(ctx, platform, body),
    })
  return [
    ...(['POST', 'PUT', 'PATCH'] as const).map((method) =>
      idempotent(platform, payments(method, '/probe/payments')),
    ),
    idempotent(platform, payments('POST', '/probe/donations'), { required: false }),
  ]
}

/** A guard that trusts the principal in the test's header. */
const whoCalls: Guard = (ctx, { headers }) => {
  const request = requestOf(ctx)
  if (request !== undefined) request.principal = headers['x-principal']?.toString()
  return ctx
}

/** Both calls of the database join the transaction of the request. */
async function pay(ctx: Context, { db }: Platform, { amount, seconds, ends }: z.output<typeof Payment>) {
  const insert = (ctx: Context) =>
    db.run(ctx, (q) =>
      q.execute<{ id: number }>(sql`insert into payments (amount) values (${amount}) returning id`),
    )
  const { rows } = await db.transaction(ctx, (_q, ctx) => insert(ctx))
  await db.run(ctx, (q) => q.execute(sql`select pg_sleep(${seconds})`))
  if (ends === 'with a problem') throw notFound('no such account')
  if (ends === 'with a 503') return Response.json({ try: 'again' }, { status: 503 })
  if (ends === 'with nothing') return undefined as unknown as Response
  if (ends === 'with a stream') return new Response(new Blob(['paid']).stream())
  const id = String(rows[0]?.id)
  const headers: [string, string][] = [
    ['location', `/probe/payments/${id}`],
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
  ]
  return Response.json({ id }, { status: 201, headers })
}
