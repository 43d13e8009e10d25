import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context/context.ts'
import type { Database } from '../platform/database/database.ts'

/** The input: a text of at most 200 characters. An example to replace. */
export const WidgetInput = z.object({
  text: z.string().min(1).max(200).default('hello'),
})

/** The answer: the text, and how many characters Postgres counts in it. */
export const WidgetAnswer = z.object({
  text: z.string(),
  length: z.int().nonnegative(),
})

/** Answers the input. When ctx ends, the statement is cancelled in Postgres and this rejects with the cause of ctx. */
export async function answerWidget(
  ctx: Context,
  db: Database,
  { text }: z.output<typeof WidgetInput>,
): Promise<Response> {
  const { rows } = await db.run(ctx, (q) =>
    q.execute<{ length: number }>(sql`select char_length(${text}::text) as length`),
  )
  return Response.json(WidgetAnswer.parse({ text, length: rows[0]?.length }))
}
