import { S3Client } from '@aws-sdk/client-s3'
import { throwIfEnded, type Context } from '../../context/context.ts'
import { until } from '../../context/until.ts'

/** A bucket, and the folder in it that holds every key. */
export interface Place {
  readonly s3: S3Client
  readonly bucket: string
  /** Empty, or with a slash at its end. */
  readonly folder: string
}

/** One object, with the names of the SDK's parameters. */
export interface Target {
  readonly Bucket: string
  readonly Key: string
}

/** @throws Error for a URL without a bucket, or with credentials, a port or an unknown parameter */
export function placeOf(url: URL): Place {
  const { hostname: bucket, pathname, searchParams } = url
  const unknown = [...searchParams.keys()].find((name) => name !== 'region' && name !== 'endpoint')
  if (bucket === '' || url.username !== '' || url.port !== '' || unknown !== undefined) {
    throw new Error('STORAGE_URL must be s3://bucket/prefix?region=…&endpoint=…, without credentials')
  }
  const prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '')
  const endpoint = searchParams.get('endpoint') ?? undefined
  const region = searchParams.get('region') ?? (endpoint === undefined ? undefined : 'us-east-1')
  const s3 = new S3Client({
    ...(region !== undefined && { region }),
    // Other stores do not take the bucket as a host name, and some lack the checksums that S3 added in 2024.
    ...(endpoint !== undefined && {
      endpoint,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
  })
  return { s3, bucket, folder: prefix === '' ? '' : `${prefix}/` }
}

/** Waits for a call to S3. When ctx ends, the call ends and the cause is thrown. */
export async function sent<T>(
  ctx: Context,
  call: (options: { abortSignal: Context['signal'] }) => Promise<T>,
): Promise<T> {
  throwIfEnded(ctx)
  return until(ctx, call({ abortSignal: ctx.signal }))
}

/** Returns what the SDK says of a failure: at most its name if the answer has no body. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message === '' || error.message === error.name ? error.name : `${error.name}: ${error.message}`
}
