import { z } from 'zod'
import type { DocumentPosition } from './documents.repository.ts'

/** A document in answers. */
export const Document = z.object({
  id: z.uuid(),
  name: z.string(),
  contentType: z.string(),
  size: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime(),
})
/** The answer to an upload. */
export const Documents = z.object({ documents: z.array(Document) })
/** One page of the list. */
export const DocumentPage = Documents.extend({ nextCursor: z.string().nullable() })

export type Document = z.infer<typeof Document>
export type DocumentPage = z.infer<typeof DocumentPage>

/** Encodes a position in the list. Clients send it back unchanged. */
export function cursorOf({ createdAt, id }: DocumentPosition): string {
  return Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url')
}

/** The format of toISOString. ISO 8601 has a year 0, but Postgres does not. */
const Time = z.iso.datetime({ precision: 3 }).refine((time) => time >= '0001')
const Position = z.tuple([Time, z.uuid()])

/** Parses a cursor that `cursorOf` made; any other text is invalid input. */
export const Cursor = z.string().transform((cursor, issues): DocumentPosition => {
  const parsed = Position.safeParse(Buffer.from(cursor, 'base64url').toString().split(' '))
  if (!parsed.success) {
    issues.addIssue({ code: 'custom', message: 'must be the nextCursor of an answer' })
    return z.NEVER
  }
  const [createdAt, id] = parsed.data
  return { createdAt: new Date(createdAt), id }
})
