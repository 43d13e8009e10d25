import { unescape } from 'node:querystring'

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
