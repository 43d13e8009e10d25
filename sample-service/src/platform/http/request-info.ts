import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Client, RequestInfo } from '../request.ts'
import type { Context as HonoContext } from 'hono'
import type { Env } from './handle.ts'
import { requestBody } from './request-body.ts'
import type { IncomingRequest } from './route.ts'

/** What a context says of the request that it belongs to, before it is routed. */
export function requestInfo(incoming: IncomingMessage, client: Client): RequestInfo {
  return {
    id: requestId(incoming),
    method: incoming.method ?? 'GET',
    path: pathOf(incoming.url ?? '/'),
    route: undefined,
    client,
  }
}

/** The caller's id if it is short and printable, since it goes into logs and into a header of the answer. */
function requestId(incoming: IncomingMessage): string {
  const given = incoming.headers['x-request-id']
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID()
}

/** The target without its query and its origin: a proxy gets `http://user:password@host/path`. */
function pathOf(url: string): string {
  const query = url.indexOf('?')
  const target = query === -1 ? url : url.slice(0, query)
  return target.startsWith('/') ? target : target.replace(/^[^:/]*:\/\/[^/]*/, '') || '/'
}

/** The request for guards and handlers. A class: with a getter in an object literal, a small request took twice as long. */
export class Incoming implements IncomingRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly #c: HonoContext<Env>

  constructor(c: HonoContext<Env>) {
    const { info, incoming } = c.env
    this.method = info.method
    this.headers = incoming.headers
    this.rawHeaders = incoming.rawHeaders
    this.#c = c
  }

  get body(): Readable {
    return requestBody(this.#c)
  }

  setHeader(name: string, value: string): void {
    this.#c.env.outgoing.setHeader(name, value)
  }

  appendHeader(name: string, value: string): void {
    this.#c.env.outgoing.appendHeader(name, value)
  }
}
