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
const methods: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
])

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
