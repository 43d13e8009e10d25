import { SpanKind, type Attributes, type Span } from '@opentelemetry/api'
import {
  S3ServiceException,
  type $Command,
  type S3ClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-s3'
import { throwIfEnded, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { peerOf } from '../telemetry/outcome.ts'
import { span } from '../telemetry/span.ts'
import { openClients, type Clients } from './s3-client.ts'
import { failureOf } from './s3-failure.ts'

/** A bucket, and the prefix of every key in it. */
export interface Place extends Clients {
  readonly bucket: string
  /** Empty, or with a slash at its end. */
  readonly folder: string
  /** The attributes of every span: the bucket, and the address if STORAGE_URL names one. */
  readonly about: Attributes
  /** How long S3 may be silent. */
  readonly silenceMs: number
}

/** One object, with the names of the SDK's parameters. */
export interface Target {
  readonly Bucket: string
  readonly Key: string
}

/**
 * @throws Error for a URL without a bucket, or with credentials, a port, or a parameter that is unknown or has no usable value
 */
export function placeOf(url: URL, silenceMs: number): Place {
  const { hostname: bucket, pathname, searchParams } = url
  const prefix = decoded(pathname)?.replace(/^\/+|\/+$/g, '')
  const endpoint = searchParams.get('endpoint') ?? undefined
  const wrong = [...searchParams].find(([name, value]) =>
    name === 'endpoint' ? !/^https?:\/\/./i.test(value) : name !== 'region' || value === '',
  )
  if (bucket === '' || prefix === undefined || url.username !== '' || url.port !== '' || wrong !== undefined)
    throw new Error('STORAGE_URL must be s3://bucket/prefix?region=…&endpoint=http…, without credentials')
  const region = searchParams.get('region') ?? (endpoint === undefined ? undefined : 'us-east-1')
  const config = {
    ...(region !== undefined && { region }),
    // Other stores do not support the bucket as a host name, and some lack the checksums that S3 added in 2024.
    ...(endpoint !== undefined &&
      ({
        endpoint,
        forcePathStyle: true,
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      } as const)),
  }
  const address = endpoint !== undefined && URL.canParse(endpoint) && peerOf(new URL(endpoint))
  const about = { 'aws.s3.bucket': bucket, ...address }
  const folder = prefix === '' ? '' : `${prefix}/`
  return { ...openClients(config, silenceMs), bucket, folder, about, silenceMs }
}

/** Undefined if a `%` does not begin a character. */
function decoded(pathname: string): string | undefined {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return undefined
  }
}

/**
 * Sends a command to S3, and waits for the answer. When ctx ends, the call ends and the cause is thrown. Its span has the names of
 * the conventions (https://opentelemetry.io/docs/specs/semconv/object-stores/s3/).
 * @throws a 503 Problem if S3 cannot be reached or cannot serve now; S3ServiceException for any other refusal
 */
export async function sent<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  ctx: Context,
  { s3, about }: Pick<Place, 's3' | 'about'>,
  command: $Command<Input, Output, S3ClientResolvedConfig>,
): Promise<Output> {
  throwIfEnded(ctx)
  const operation = command.constructor.name.replace(/Command$/, '')
  const attributes = {
    'rpc.system.name': 'aws-api',
    'rpc.method': `S3/${operation}`,
    ...about,
    ...('Key' in command.input && { 'aws.s3.key': command.input.Key }),
  }
  try {
    return await span(ctx, `S3.${operation}`, { kind: SpanKind.CLIENT, attributes }, async (ctx, current) => {
      try {
        const output = await until(ctx, s3.send(command, { abortSignal: ctx.signal }))
        describeAnswer(current, output)
        return output
      } catch (error) {
        if (error instanceof S3ServiceException) describeAnswer(current, error)
        throw error
      }
    })
  } catch (error) {
    throw ctx.err === undefined ? failureOf(error) : error
  }
}

function describeAnswer(current: Span, { $metadata }: ServiceOutputTypes | S3ServiceException): void {
  const { httpStatusCode, requestId } = $metadata
  if (httpStatusCode !== undefined) current.setAttribute('http.response.status_code', httpStatusCode)
  if (requestId !== undefined) current.setAttribute('aws.request_id', requestId)
}
