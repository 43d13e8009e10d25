import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { RunningTest } from './service.ts'

/**
 * An in-memory server for the part of S3's protocol that s3.ts uses, for tests without a network. It checks no signature and is
 * no proof of how S3 behaves.
 */
export interface S3 {
  /** For STORAGE_URL. */
  readonly url: string
  /** Does not answer the next request with this method and these words in its URL; resolves when that request has arrived. */
  hold(method: string, words: string): Promise<void>
  /**
   * From now on answers `status` to requests with this method and these words in their URL: 403, as if the role lacked the right.
   * Without a status it breaks their connections.
   */
  deny(method: string, words: string, status: number | undefined): void
  /** From now on calls `how` for such requests. It answers them, or not. */
  answer(method: string, words: string, how: (response: ServerResponse) => unknown): void
  /** How many requests are still without an answer. */
  open(): number
}

interface Upload {
  readonly key: string
  readonly at: Date
  readonly parts: Map<number, Buffer>
}

/** The entry of an object or an upload on a page, and the marker of the next page. */
interface Listed {
  readonly place: string
  readonly item: string
  readonly next: string
}

const bucket = 'bucket'
/** Small, so that a handful of keys takes more than one page. */
const pageSize = 2

export async function startS3(t: RunningTest): Promise<S3> {
  const objects = new Map<string, { readonly bytes: Buffer; readonly at: Date }>()
  const uploads = new Map<string, Upload>()
  const unanswered = new Set<ServerResponse>()
  const odd: { method: string; words: string; how: (response: ServerResponse) => unknown }[] = []
  let held: { method: string; words: string; there: () => void } | undefined

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const url = new URL(request.url ?? '', 'http://s3')
    const body = await buffer(request)
    if (held !== undefined && held.method === request.method && url.href.includes(held.words)) {
      held.there()
      held = undefined
      return
    }
    const other = odd.find(({ method, words }) => method === request.method && url.href.includes(words))
    if (other !== undefined) return other.how(response)
    const [, named, ...rest] = decodeURIComponent(url.pathname).split('/')
    const [key, query] = [rest.join('/'), url.searchParams]
    const id = query.get('uploadId') ?? ''
    const upload = uploads.get(id)
    const found = objects.get(key)

    if (named !== bucket) return failure(response, 404, 'NoSuchBucket')
    if (request.method === 'HEAD') return response.writeHead(200).end()
    if (key === '' && query.has('uploads')) return xml(response, uploadsBehind(query))
    if (key === '') return xml(response, objectsBehind(query))
    if (query.has('uploads')) {
      const made = randomUUID()
      uploads.set(made, { key, at: new Date(), parts: new Map() })
      return xml(response, `<R><UploadId>${made}</UploadId></R>`)
    }
    if (query.has('uploadId')) {
      if (upload === undefined) return failure(response, 404, 'NoSuchUpload')
      if (request.method === 'PUT') {
        upload.parts.set(Number(query.get('partNumber')), body)
        return response.writeHead(200, { etag: etagOf(body) }).end()
      }
      uploads.delete(id)
      if (request.method === 'DELETE') return response.writeHead(204).end()
      const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number))
      const bytes = Buffer.concat(numbers.map((number) => upload.parts.get(number) ?? Buffer.alloc(0)))
      objects.set(key, { bytes, at: new Date() })
      return xml(response, `<R><ETag>${etagOf(bytes)}</ETag></R>`)
    }
    if (request.method === 'PUT') {
      objects.set(key, { bytes: body, at: new Date() })
      return response.writeHead(200, { etag: etagOf(body) }).end()
    }
    if (request.method === 'DELETE') {
      objects.delete(key)
      return response.writeHead(204).end()
    }
    if (found === undefined) return failure(response, 404, 'NoSuchKey')
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const bytes = first === undefined ? found.bytes : found.bytes.subarray(Number(first), Number(last) + 1)
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': bytes.length }).end(bytes)
  }

  function objectsBehind(query: URLSearchParams): string {
    const listed = [...objects].map(([key, { at }]) => ({
      place: key,
      item: `<Contents><Key>${key}</Key><LastModified>${at.toISOString()}</LastModified></Contents>`,
      next: `<NextContinuationToken>${key}</NextContinuationToken>`,
    }))
    return pageOf(listed, query.get('prefix') ?? '', query.get('continuation-token') ?? '')
  }

  function uploadsBehind(query: URLSearchParams): string {
    const listed = [...uploads].map(([id, { key, at }]) => ({
      place: `${key} ${id}`,
      item: `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${at.toISOString()}</Initiated></Upload>`,
      next: `<NextKeyMarker>${key}</NextKeyMarker><NextUploadIdMarker>${id}</NextUploadIdMarker>`,
    }))
    const from = `${query.get('key-marker') ?? ''} ${query.get('upload-id-marker') ?? ''}`
    return pageOf(listed, query.get('prefix') ?? '', from)
  }

  const server = createServer((request, response) => {
    unanswered.add(response)
    response.once('close', () => unanswered.delete(response))
    // Some tests have a client that leaves while it sends.
    answer(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  const answerWith: S3['answer'] = (method, words, how) => void odd.push({ method, words, how })
  return {
    url: `s3://${bucket}/some/folder?endpoint=http://127.0.0.1:${port}`,
    hold: (method, words) => new Promise((there) => (held = { method, words, there })),
    deny: (method, words, status) =>
      answerWith(method, words, (response) => {
        if (status === undefined) return response.destroy()
        return failure(response, status, status === 403 ? 'AccessDenied' : 'InternalError')
      }),
    answer: answerWith,
    open: () => unanswered.size,
  }
}

/** A page begins after a position in the order, as with S3, because the last listed key may have been deleted. */
function pageOf(all: readonly Listed[], prefix: string, from: string): string {
  const found = all
    .filter(({ place }) => place.startsWith(prefix) && place > from)
    .sort((a, b) => (a.place < b.place ? -1 : 1))
  const page = found.slice(0, pageSize)
  const more = found.length > pageSize
  const items = page.map(({ item }) => item).join('')
  return `<R><IsTruncated>${more}</IsTruncated>${more ? page.at(-1)?.next : ''}${items}</R>`
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}

function xml(response: ServerResponse, text: string): unknown {
  return response
    .writeHead(200, { 'content-type': 'application/xml' })
    .end(`<?xml version="1.0" encoding="UTF-8"?>${text}`)
}

function failure(response: ServerResponse, status: number, code: string): unknown {
  return response
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
}
