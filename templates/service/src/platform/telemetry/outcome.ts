import { unescape } from 'node:querystring'

/** How a request ended, for its span, its metrics and its line in the log. */
export interface Outcome {
  /** The path of the route, with its parameters' names; undefined where no route answers. */
  readonly route: string | undefined
  /** What was answered; 499 where the client had left; 0 where nothing was sent. */
  readonly status: number
  /** What ended the request's context before the response was finished. */
  readonly cause: string | undefined
  /** What it failed with, unless its context had ended: what a 5xx hides, or what broke off the answer. */
  readonly failure: unknown
}

/** The methods of RFC 9110 and RFC 5789. */
const methods: ReadonlySet<string> = new Set(
  'CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE'.split(' '),
)

/** The method, or `_OTHER`: a caller may send any word, and each would be a time series of its own. */
export function knownMethod(method: string): string {
  return methods.has(method) ? method : '_OTHER'
}

/**
 * The `error.type` of the HTTP conventions: what failed, else what ended the request, else the status; undefined if it
 * did not fail. A 4xx is the client's mistake, not an error of the server.
 */
export function errorType(outcome: Outcome): string | undefined {
  const { cause, status, failure } = outcome
  if (failure instanceof Error) return failure.name
  return cause ?? (status < 500 ? undefined : String(status))
}

/** Those that the conventions name, and what others call secrets. */
const secret =
  /^(AWSAccessKeyId|Signature|sig|X-Goog-Signature)$|^x-amz-|token|secret|passw|pwd|jwt|otp|email|credential|api[-_]?key|^(auth|code|key|session|state)/i
/** How much of a query a span keeps. */
const maxLength = 1_000

/**
 * `url.query` for a span: the query, in which `REDACTED` replaces the value of each parameter that may be a secret
 * (https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/). Undefined if `target` has none.
 */
export function redactedQuery(target: string): string | undefined {
  const start = target.indexOf('?') + 1
  if (start === 0) return undefined
  const parameters = target.slice(start).split('&').map(redacted)
  return parameters.join('&').slice(0, maxLength)
}

function redacted(parameter: string): string {
  const end = parameter.indexOf('=')
  // It never throws, unlike decodeURIComponent.
  const isSecret = end !== -1 && secret.test(unescape(parameter.slice(0, end)))
  return isSecret ? `${parameter.slice(0, end)}=REDACTED` : parameter
}

/** The address of the server that `url` names, with the names of the conventions. */
export function peerOf({ protocol, hostname, port }: URL) {
  const standard = protocol === 'https:' ? 443 : 80
  // The URL of an IPv6 address has brackets around it.
  const address = hostname.replace(/^\[|\]$/g, '')
  return { 'server.address': address, 'server.port': port === '' ? standard : Number(port) }
}
