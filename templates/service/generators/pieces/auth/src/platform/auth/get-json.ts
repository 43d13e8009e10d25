import { SpanKind, type Attributes, type Span } from '@opentelemetry/api'
import type { Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { causeName } from '../causes.ts'
import { durationBuckets, histogram, oncePerProvider } from '../telemetry/metrics.ts'
import { peerOf } from '../telemetry/outcome.ts'
import { recordEnd, span } from '../telemetry/span.ts'

const maxBytes = 1_000_000

const duration = oncePerProvider(() =>
  histogram(
    'http.client.request.duration',
    // The same name as in `add client`: the SDK keeps one instrument of each name.
    'Time from the sending of a request until its answer has been read or has failed.',
    durationBuckets,
  ),
)

/**
 * Gets a document of the issuer. Its span and its metric have the names of the stable HTTP conventions
 * (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span).
 * @throws Error if the answer is not a 2xx, too long or not JSON; the cause of ctx
 */
export async function getJson(ctx: Context, url: string): Promise<unknown> {
  const about: Attributes = { 'http.request.method': 'GET', ...peerOf(new URL(url)) }
  const startedAt = performance.now()
  try {
    return await span(
      ctx,
      'GET',
      { kind: SpanKind.CLIENT, attributes: { ...about, 'url.full': url } },
      async (ctx, current) => {
        const response = await fetch(url, { signal: ctx.signal, redirect: 'error' })
        about['http.response.status_code'] = response.status
        current.setAttribute('http.response.status_code', response.status)
        if (!response.ok) throw new Answered(url, response.status)
        return parsed(url, await textOf(url, response))
      },
      recordFailure,
    )
  } catch (error) {
    about['error.type'] = errorType(ctx, error)
    throw error
  } finally {
    duration().record((performance.now() - startedAt) / 1_000, about)
  }
}

function recordFailure(ctx: Context, current: Span, error: unknown): void {
  recordEnd(ctx, current, error)
  current.setAttribute('error.type', errorType(ctx, error))
}

/** An answer whose status is not a 2xx. */
class Answered extends Error {
  override readonly name = 'Answered'
  readonly status: number
  constructor(url: string, status: number) {
    super(`${url} answered ${status}`)
    this.status = status
  }
}

function errorType(ctx: Context, error: unknown): string {
  return causeName(ctx) ?? (error instanceof Answered ? String(error.status) : errorOf(error).name)
}

async function textOf(url: string, { body }: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length
    if (size > maxBytes) throw new Error(`${url} answered with more than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function parsed(url: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error(`${url} answered with what is not JSON`, { cause })
  }
}
