import { z } from 'zod'
import type { DocumentPosition } from './documents.repository.ts'

/** A document as clients see it. */
export const Document = z.object({
  id: z.uuid(),
  name: z.string(),
  contentType: z.string(),
  size: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime(),
})
/** What an upload is answered with. */
export const Documents = z.object({ documents: z.array(Document) })
/** One page of the list. */
export const DocumentPage = Documents.extend({ nextCursor: z.string().nullable() })

export type Document = z.infer<typeof Document>
export type DocumentPage = z.infer<typeof DocumentPage>

/** A position in the list, as clients hand it back: opaque to them. */
export function cursorOf({ createdAt, id }: DocumentPosition): string {
  return Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url')
}

/** As toISOString writes it. ISO 8601 has a year 0, which Postgres has not. */
const Time = z.iso.datetime({ precision: 3 }).refine((time) => time >= '0001')
const Position = z.tuple([Time, z.uuid()])

/** Parses what `cursorOf` made; anything else is invalid input. */
export const Cursor = z.string().transform((cursor, issues): DocumentPosition => {
  const parsed = Position.safeParse(Buffer.from(cursor, 'base64url').toString().split(' '))
  if (!parsed.success) {
    issues.addIssue({ code: 'custom', message: 'expected the nextCursor of an answer, as it was sent' })
    return z.NEVER
  }
  const [createdAt, id] = parsed.data
  return { createdAt: new Date(createdAt), id }
})
