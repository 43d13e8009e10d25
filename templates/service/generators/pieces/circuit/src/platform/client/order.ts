/** What to send; by default a GET without a body. */
export interface Call {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** The whole body, so that it can be sent again. */
  readonly body?: string | Uint8Array
  /** Sent as `application/json`, in place of `body`. */
  readonly json?: unknown
  /** A shorter timeout than the client's, in milliseconds. `fetch` ignores it. */
  readonly timeoutMs?: number
  /** Whether it may be sent twice. Default: whether the method is idempotent. Set it for a POST with an idempotency key. */
  readonly repeatable?: boolean
}

/** A call, with what all its attempts share. */
export interface Order {
  /** For errors and for the page of contexts: `payments: GET /accounts/7`, without the query. */
  readonly name: string
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
  readonly repeatable: boolean
}

/** RFC 9110, 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** @throws TypeError if it is not an http(s) URL, or holds a password, which would get into logs and spans */
export function baseOf(baseUrl: string): URL {
  const base = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined
  if (base === undefined || !/^https?:$/.test(base.protocol) || base.username !== '' || base.search !== '') {
    throw new TypeError(
      'createClient: expected a baseUrl such as http://payments:3000, without user, password and query',
    )
  }
  return base
}

/** The dot segments that URL resolves: `..` would lead out of the named path. */
const dotSegment = /\/(?:\.|%2e){1,2}(?=\/|$)/i

/**
 * The characters that URL drops (TAB, LF and CR, a blank at the end, a fragment) or changes (a backslash, half of a surrogate
 * pair): the path sent would differ from the path checked here.
 */
const changed = /[\p{Cc}\p{Cs}#\\]|\s$/u

/**
 * @throws TypeError if `path` does not begin with a slash (it could name another host), has a segment `.` or `..`, or has a
 * character that must be encoded
 */
export function orderOf(base: URL, peer: string, path: string, call: Call): Order {
  if (!path.startsWith('/'))
    throw new TypeError(`${peer}: expected a path that begins with a slash, got '${path}'`)
  if (changed.test(path))
    throw new TypeError(
      `${peer}: expected a path whose values are encoded with encodeURIComponent, got ${JSON.stringify(path)}`,
    )
  if (dotSegment.test(path.replace(/\?.*$/s, '')))
    throw new TypeError(`${peer}: expected a path without the segments . and .., got '${path}'`)
  const method = (call.method ?? 'GET').toUpperCase()
  const prefix = base.pathname.replace(/\/$/, '')
  const url = new URL(base.origin + prefix + path)
  // In case URL changes a path in another way.
  if (url.origin !== base.origin || !url.pathname.startsWith(`${prefix}/`))
    throw new TypeError(`${peer}: expected a path below ${base.href}, got ${JSON.stringify(path)}`)
  const json = call.json !== undefined
  return {
    name: `${peer}: ${method} ${url.pathname}`,
    url,
    method,
    headers: { ...(json && { 'content-type': 'application/json' }), ...call.headers },
    body: json ? JSON.stringify(call.json) : call.body,
    repeatable: call.repeatable ?? idempotent.has(method),
  }
}
