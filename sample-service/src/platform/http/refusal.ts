import type { IncomingMessage } from 'node:http'
import { Problem } from '../problem.ts'
import { maxHeaders } from './limits.ts'

/** A target without percent-encoding. */
const plainTarget = /^\/[\w\-./?=&,:;@!$'()*+~[\]|]*$/

/**
 * Returns why a request is refused before it is routed; undefined if it is not. Node would answer some of these itself,
 * without a body, an id or a line in the log, and change others unseen.
 */
export function refusalOf(incoming: IncomingMessage): Problem | undefined {
  const { headers, rawHeaders, httpVersion, url = '' } = incoming
  const { host, expect } = headers
  // rawHeaders alternates names and values.
  if (rawHeaders.length > 2 * maxHeaders) return tooManyHeaders()
  if (host === undefined && httpVersion === '1.1') return unclear('it names no Host')
  if (repeated(rawHeaders, 'host')) return unclear('it names more than one Host')
  if (expect !== undefined && httpVersion === '1.1' && !/^100-continue$/i.test(expect)) {
    return new Problem(
      417,
      'Expectation Failed',
      `the expectation ${expect.slice(0, 100)} is not supported: only 100-continue is`,
    )
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && !/^chunked$/i.test(coding))
    return new Problem(501, 'Not Implemented', 'the body has a Transfer-Encoding: only chunked is taken', {
      headers: { connection: 'close' },
    })
  return plainTarget.test(url) ? undefined : refusalOfTarget(url)
}

/** RFC 6585, 5. Node 24 gives this answer itself; older versions drop the excess headers, perhaps Host or Content-Length. */
export function tooManyHeaders(): Problem {
  const detail = `the request has more than ${maxHeaders} headers, or more than 16 KB of them`
  return new Problem(431, 'Request Header Fields Too Large', detail, { headers: { connection: 'close' } })
}

/** Refuses what the adapter would silently read as another target: raw characters that no URL has, and escapes not in UTF-8. */
function refusalOfTarget(url: string): Problem | undefined {
  if (/[^!-~]|#/.test(url)) return unclear('its target has a character that must be percent-encoded')
  try {
    decodeURIComponent(url)
    return undefined
  } catch {
    return unclear('its target is percent-encoded, but not in UTF-8')
  }
}

/** Whether `raw`, which alternates names and values, has `name` more than once. */
function repeated(raw: readonly string[], name: string): boolean {
  let found = 0
  for (let i = 0; i < raw.length; i += 2) {
    const one = raw[i]
    if (one?.length === name.length && one.toLowerCase() === name) found++
  }
  return found > 1
}

/** Closes the connection too: client and server may disagree on what follows (RFC 9112, 3.2). */
function unclear(why: string): Problem {
  return new Problem(400, 'Bad Request', `the request cannot be served: ${why}`, {
    headers: { connection: 'close' },
  })
}
