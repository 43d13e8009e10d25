import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { request, type Agent, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'

/** The result of a request: its status and body, or the code of the error. */
export interface Answer {
  readonly status: number | string
  readonly body: string
}

const head = '--frontier\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n'
const tail = '\r\n--frontier--\r\n'
const prefix = 'documents-'

/** GETs `path`. Does not reject: a failure is a result. */
export function get(agent: Agent | false, port: number, path: string): Promise<Answer> {
  return ask(request({ port, path, agent }), (client) => client.end())
}

/** POSTs one document of `bytes`, the second half `pauseMs` later. Does not reject: a failure is a result. */
export function upload(
  ctx: Context,
  agent: Agent | false,
  port: number,
  bytes: Buffer,
  pauseMs = 0,
): Promise<Answer> {
  const client = request({
    port,
    path: '/documents',
    method: 'POST',
    agent,
    headers: {
      'content-type': 'multipart/form-data; boundary=frontier',
      'content-length': head.length + bytes.length + tail.length,
    },
  })
  const half = Math.floor(bytes.length / 2)
  return ask(client, async () => {
    client.write(head)
    client.write(bytes.subarray(0, half))
    if (pauseMs > 0) await sleep(ctx, pauseMs)
    client.write(bytes.subarray(half))
    client.end(tail)
  })
}

function ask(
  client: ReturnType<typeof request>,
  send: (client: ReturnType<typeof request>) => unknown,
): Promise<Answer> {
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      resolve({ status: error.code ?? error.message, body: '' })
    client.on('error', fail)
    client.on('response', (response: IncomingMessage) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), fail)
    })
    Promise.resolve(send(client)).catch(fail)
  })
}

/** The documents in the body of a 201. */
export function idsOf(answer: Answer): string[] {
  const { documents } = JSON.parse(answer.body) as { documents: { id: string }[] }
  return documents.map(({ id }) => id)
}

export function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The stored documents, compared with the acknowledged ones. */
export interface Inventory {
  readonly rows: number
  /** Ids that were acknowledged before this check and lack a row, or these bytes in their file. */
  readonly lost: readonly string[]
  readonly rowsWithoutFile: number
  /** Contents without a row, and cut-off uploads. */
  readonly leftovers: number
}

/** Reads every row and every file. @param acknowledged the SHA-256 by id */
export async function takeInventory(
  databaseUrl: string,
  directory: string,
  acknowledged: ReadonlyMap<string, string>,
): Promise<Inventory> {
  // A document acknowledged during this check may get its row after the rows were read.
  const before = Array.from(acknowledged)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string; sha256: string }>('select id, sha256 from documents')
    const names = new Set(await readdir(directory))
    const hashes = new Map<string, string>()
    let rowsWithoutFile = 0
    for (const { id, sha256 } of rows) {
      const bytes = await readFile(join(directory, prefix + id)).catch(() => undefined)
      if (bytes === undefined || hashOf(bytes) !== sha256) rowsWithoutFile++
      else hashes.set(id, sha256)
      names.delete(prefix + id)
    }
    const lost = before.filter(([id, sha256]) => hashes.get(id) !== sha256).map(([id]) => id)
    return { rows: rows.length, lost, rowsWithoutFile, leftovers: names.size }
  } finally {
    await client.end()
  }
}
