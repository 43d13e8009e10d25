import type { Context } from '../context/context.ts'
import { answerContent, etagOfBytes } from '../platform/uploads/content.ts'
import { isConditional, requireMet } from '../platform/http/etag.ts'
import type { Platform } from '../platform/platform.ts'
import type { IncomingRequest, StreamedResponse } from '../platform/http/route.ts'
import { ContentMissing } from '../platform/storage/storage.ts'
import { cursorOf, type Document, type DocumentPage } from './documents.api.ts'
import { deleteDocument, findDocument, listDocuments, type DocumentPosition } from './documents.repository.ts'
import type { DocumentRow } from './documents.schema.ts'
import { keyOf, removeContents, uploadDocuments } from './documents.uploads.ts'

/** The handlers of documents. */
export function documentHandlers(platform: Platform) {
  const { db, storage } = platform
  return {
    async upload(ctx: Context, request: IncomingRequest): Promise<Response> {
      const rows = await uploadDocuments(ctx, platform, request)
      return Response.json({ documents: rows.map(toDocument) }, { status: 201 })
    },

    async list(
      ctx: Context,
      query: { limit: number; cursor?: DocumentPosition | undefined },
    ): Promise<Response> {
      // One more row than the limit shows whether there is a next page.
      const rows = await listDocuments(ctx, db, { limit: query.limit + 1, after: query.cursor })
      const shown = rows.slice(0, query.limit)
      const last = rows.length > query.limit ? shown.at(-1) : undefined
      return Response.json({
        documents: shown.map(toDocument),
        nextCursor: last === undefined ? null : cursorOf(last),
      } satisfies DocumentPage)
    },

    async get(ctx: Context, id: string): Promise<Response> {
      const document = await findDocument(ctx, db, id)
      return Response.json(toDocument(document), { headers: { etag: etagOfBytes(document.sha256) } })
    },

    async content(ctx: Context, id: string, request: IncomingRequest): Promise<Response | StreamedResponse> {
      const find = () => findDocument(ctx, db, id)
      const document = await find()
      try {
        return await answerContent(request, {
          ...document,
          open: (range) => storage.open(ctx, keyOf(document.id), range),
        })
      } catch (error) {
        // A document deleted meanwhile is a 404. If its row is still there, the bytes are lost, which is an error.
        if (error instanceof ContentMissing) await find()
        throw error
      }
    },

    async delete(ctx: Context, id: string, request: IncomingRequest): Promise<Response> {
      // A row never changes, so the ETag still holds when the row is deleted.
      if (isConditional(request)) requireMet(request, etagOfBytes((await findDocument(ctx, db, id)).sha256))
      // Deletes the row first: the sweep removes bytes without a row, but nothing repairs a row without bytes.
      const document = await deleteDocument(ctx, db, id)
      await removeContents(ctx, platform, [document.id])
      return new Response(null, { status: 204 })
    },
  }
}

function toDocument({ id, name, contentType, size, sha256, createdAt }: DocumentRow): Document {
  return { id, name, contentType, size, sha256, createdAt: createdAt.toISOString() }
}
