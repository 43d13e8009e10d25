import { z } from 'zod'
import type { WidgetPosition } from './widgets.repository.ts'

/** A widget in answers. */
export const Widget = z.object({
  id: z.uuid(),
  name: z.string(),
  contentType: z.string(),
  size: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime(),
})
/** The answer to an upload. */
export const Widgets = z.object({ widgets: z.array(Widget) })
/** One page of the list. */
export const WidgetPage = Widgets.extend({ nextCursor: z.string().nullable() })

export type Widget = z.infer<typeof Widget>
export type WidgetPage = z.infer<typeof WidgetPage>

/** Encodes a position in the list. Clients send it back unchanged. */
export function cursorOf({ createdAt, id }: WidgetPosition): string {
  return Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url')
}

/** The format of toISOString. ISO 8601 has a year 0, but Postgres does not. */
const Time = z.iso.datetime({ precision: 3 }).refine((time) => time >= '0001')
const Position = z.tuple([Time, z.uuid()])

/** Parses a cursor that `cursorOf` made; any other text is invalid input. */
export const Cursor = z.string().transform((cursor, issues): WidgetPosition => {
  const parsed = Position.safeParse(Buffer.from(cursor, 'base64url').toString().split(' '))
  if (!parsed.success) {
    issues.addIssue({ code: 'custom', message: 'must be the nextCursor of an answer' })
    return z.NEVER
  }
  const [createdAt, id] = parsed.data
  return { createdAt: new Date(createdAt), id }
})
