import { z } from 'zod'
import type { Platform } from '../platform/platform.ts'
import { route, type Route } from '../platform/http/route.ts'
import { integerParameter } from '../platform/http/values.ts'
import { Cursor, Document, DocumentPage, Documents } from './documents.api.ts'
import { documentHandlers } from './documents.handlers.ts'

const params = z.object({ id: z.uuid() })
const query = z.object({
  limit: integerParameter(1, 100)
    .default(20)
    .meta({ override: { default: 20 } }),
  cursor: Cursor.optional(),
})
const tags = ['documents']

/** The HTTP surface of documents. */
export function documentRoutes(platform: Platform): Route[] {
  const { timeoutMs } = platform.uploads
  const documents = documentHandlers(platform)
  return [
    route({
      method: 'POST',
      path: '/documents',
      summary: 'Upload one or more documents: the service stores all of them, or none',
      tags,
      timeoutMs,
      files: 'document',
      responses: {
        201: { description: 'Stored, in the order of the request', body: Documents },
        400: { description: 'The body is incomplete, or has anything other than files in the field' },
        408: { description: 'The client stopped sending' },
        413: { description: 'Too many files, or a file is too large' },
        415: { description: 'Not multipart/form-data' },
        507: { description: 'The storage has no room' },
      },
      handle: (ctx, _input, request) => documents.upload(ctx, request),
    }),
    route({
      method: 'GET',
      path: '/documents',
      summary: 'List documents, newest first',
      tags,
      query,
      responses: { 200: { description: 'One page, and the cursor of the next', body: DocumentPage } },
      handle: (ctx, { query }) => documents.list(ctx, query),
    }),
    route({
      method: 'GET',
      path: '/documents/:id',
      summary: 'Read the metadata of one document',
      tags,
      params,
      responses: {
        200: { description: 'Found', body: Document },
        304: { description: 'The client has this version: `If-None-Match` has its `ETag`' },
        404: { description: 'No such document' },
      },
      handle: (ctx, { params }) => documents.get(ctx, params.id),
    }),
    route({
      method: 'GET',
      path: '/documents/:id/content',
      summary: 'Download one document, or a range of its bytes',
      tags,
      timeoutMs,
      params,
      responses: {
        200: { description: 'All bytes', contentType: 'application/octet-stream' },
        206: { description: 'The requested range', contentType: 'application/octet-stream' },
        304: { description: 'The client has these bytes' },
        404: { description: 'No such document' },
        416: { description: 'The range is outside the file' },
      },
      handle: (ctx, { params }, request) => documents.content(ctx, params.id, request),
    }),
    route({
      method: 'DELETE',
      path: '/documents/:id',
      summary: 'Delete one document',
      tags,
      params,
      responses: {
        204: { description: 'Deleted' },
        404: { description: 'No such document' },
        412: { description: '`If-Match` or `If-None-Match` does not hold' },
      },
      handle: (ctx, { params }, request) => documents.delete(ctx, params.id, request),
    }),
  ]
}
