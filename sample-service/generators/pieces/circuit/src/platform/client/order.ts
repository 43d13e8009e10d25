/** What is sent: a GET without a body if nothing is given. */
export interface Call {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** As a whole, so that it can be sent again. */
  readonly body?: string | Uint8Array
  /** Sent as `application/json`, in place of `body`. */
  readonly json?: unknown
  /** Milliseconds, where they are fewer than the client's own. Not for `fetch`. */
  readonly timeoutMs?: number
  /** Whether it may be sent twice. The method tells if not given; a POST with a key that the peer knows it by may say yes. */
  readonly repeatable?: boolean
}

/** A call with all that does not change from one attempt to the next. */
export interface Order {
  /** For errors and for whoever looks at the live contexts: `payments: GET /accounts/7`, without the query. */
  readonly name: string
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
  readonly repeatable: boolean
}

/** RFC 9110, 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** @throws TypeError if it is no http(s) URL, or holds a password: that would end in logs and spans */
export function baseOf(baseUrl: string): URL {
  const base = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined
  if (base === undefined || !/^https?:$/.test(base.protocol) || base.username !== '' || base.search !== '') {
    throw new TypeError(
      'createClient: expected a baseUrl such as http://payments:3000, without user, password and query',
    )
  }
  return base
}

/** As URL reads them: `..` would leave the place that the path names, whoever put it there. */
const dotSegment = /\/(?:\.|%2e){1,2}(?=\/|$)/i

/**
 * What URL drops (TAB, LF and CR, a blank at the end, a fragment) or turns into something else (a backslash, half of a
 * surrogate pair): the path would not be the one that was looked at.
 */
const changed = /[\p{Cc}\p{Cs}#\\]|\s$/u

/**
 * @throws TypeError if `path` does not begin with a slash: it could name another host; or if it has a segment `.` or `..`, or
 * a character that must be encoded
 */
export function orderOf(base: URL, peer: string, path: string, call: Call): Order {
  if (!path.startsWith('/'))
    throw new TypeError(`${peer}: expected a path that begins with a slash, got '${path}'`)
  if (changed.test(path))
    throw new TypeError(
      `${peer}: expected a path whose values have been through encodeURIComponent, got ${JSON.stringify(path)}`,
    )
  if (dotSegment.test(path.replace(/\?.*$/s, '')))
    throw new TypeError(`${peer}: expected a path without the segments . and .., got '${path}'`)
  const method = (call.method ?? 'GET').toUpperCase()
  const prefix = base.pathname.replace(/\/$/, '')
  const url = new URL(base.origin + prefix + path)
  // Whatever else URL may come to do with a path.
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
