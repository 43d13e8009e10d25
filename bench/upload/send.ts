import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, rm } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { Context } from '../../templates/service/src/context/context.ts'
import type { Subject } from './subjects.ts'

const boundary = 'bench-upload-frontier'
const head = `--${boundary}\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n`
const tail = `\r\n--${boundary}--\r\n`

/** The client sends the same bytes repeatedly and spends no time on making them. They contain line ends, as files do. */
const chunk = randomBytes(256 * 1024)

/**
 * Uploads `bytes` bytes, then removes the stored files from `directory`, without measuring that: overwriting a file would first
 * empty it, which takes as long as writing it.
 * @returns milliseconds from the first byte to the answer
 */
export async function send(
  ctx: Context,
  subject: Subject,
  { url, directory }: { readonly url: string; readonly directory: string },
  bytes: number,
): Promise<number> {
  const multipart = subject.body === 'multipart'
  const startedAt = performance.now()
  const client = request(url, {
    method: 'POST',
    agent: false,
    signal: ctx.signal,
    headers: {
      'content-type': multipart ? `multipart/form-data; boundary=${boundary}` : 'application/octet-stream',
      'content-length': bytes + (multipart ? head.length + tail.length : 0),
    },
  })
  const answer = once(client, 'response') as Promise<[IncomingMessage]>
  await pipeline(Readable.from(bodyOf(bytes, multipart), { objectMode: false }), client)
  const [response] = await answer
  const said = await text(response)
  const ms = performance.now() - startedAt
  if (response.statusCode !== 201)
    throw new Error(`${subject.name} answered ${String(response.statusCode)}: ${said}`)
  // The rows of the service stay, one for each round.
  for (const name of await readdir(directory)) await rm(join(directory, name))
  return ms
}

function* bodyOf(bytes: number, multipart: boolean): Generator<Buffer> {
  if (multipart) yield Buffer.from(head)
  for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, Math.min(left, chunk.length))
  if (multipart) yield Buffer.from(tail)
}
