import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { StorageSilent } from './s3-failure.ts'

/** How long a connection to S3 may take to open, in milliseconds. */
const connectMs = 3_000
/** Requests under way bound the sockets. With the SDK's 50, that many clients that read slowly would hold up every other call. */
const agent = { maxSockets: Infinity }

/** Clients of one S3. */
export interface Clients {
  /** Gives up a call if S3 neither takes nor sends a byte for the time of silence. */
  readonly s3: S3Client
  /** For GetObject: a socket is silent as well while nobody reads the body, so s3-download.ts looks after it. */
  readonly downloads: S3Client
}

export function openClients(config: S3ClientConfig, silenceMs: number): Clients {
  const sockets = { connectionTimeout: connectMs, httpAgent: agent, httpsAgent: agent }
  const s3 = new S3Client({ ...config, requestHandler: { ...sockets, socketTimeout: silenceMs } })
  const { credentials } = s3.config
  const downloads = new S3Client({ ...config, credentials, requestHandler: sockets })
  for (const client of [s3, downloads]) failOnceSilent(client)
  return { s3, downloads }
}

/** Keeps the SDK from trying again after a silence: the caller would wait three times as long. */
function failOnceSilent({ middlewareStack }: S3Client): void {
  middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args)
      } catch (error) {
        // Without `cause`, by which the SDK would try again.
        throw isSilence(error) ? new StorageSilent(error.message) : error
      }
    },
    // Inside of the retries, and around all that reads the answer.
    { step: 'finalizeRequest', priority: 'low', name: 'failOnceSilent' },
  )
}

/** The SDK has no class for it. With a code it is a failure of the network, which the SDK gives the same name. */
function isSilence(error: unknown): error is Error {
  // eslint-disable-next-line no-restricted-syntax -- it is about the socket, not about a context
  return error instanceof Error && error.name === 'TimeoutError' && !('code' in error)
}
