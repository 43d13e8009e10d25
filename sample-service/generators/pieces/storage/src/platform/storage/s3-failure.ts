import { Problem, unavailable } from '../problem.ts'

/** S3, or the way to it, was silent for too long. */
export class StorageSilent extends Error {
  override readonly name = 'StorageSilent'
}

/** The codes of a network that fails, and of a process or a machine that can open no more sockets. */
const network: ReadonlySet<unknown> = new Set([
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])
/**
 * The names of failures that pass, whatever their status. The SDK says no more of credentials than that it could not load them;
 * when the service started, it could.
 */
const passing: ReadonlySet<string> = new Set([
  'CredentialsProviderError',
  'RequestTimeout',
  'SlowDown',
  'StorageSilent',
  'TimeoutError',
])

/** Returns a 503 Problem if the same call may succeed later, else `error`. */
export function failureOf(error: unknown): unknown {
  return mayPass(error) ? unavailable('the storage cannot serve now', error) : error
}

/**
 * Whether S3 is overloaded or failed, or the way to it did. A load balancer's answer has a status, too, but no class of the
 * SDK.
 */
function mayPass(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { name, code, $metadata } = error as Error & {
    code?: unknown
    $metadata?: { httpStatusCode?: number }
  }
  const status = $metadata?.httpStatusCode ?? 0
  // 501: the store lacks the call, and will tomorrow.
  return (status >= 500 && status !== 501) || status === 429 || passing.has(name) || network.has(code)
}

/** Returns the SDK's message for a failure, which is only a name if the answer has no body. */
export function reasonOf(error: unknown): string {
  if (error instanceof Problem) return reasonOf(error.cause)
  if (!(error instanceof Error)) return String(error)
  return error.message === '' || error.message === error.name ? error.name : `${error.name}: ${error.message}`
}
