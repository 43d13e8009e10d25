import { createHash, randomBytes } from 'node:crypto'
import { get } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'

/** A resource that takes files, as the `upload` piece of `npm run add` makes it. */
export interface UploadResource {
  /** `/price-lists` */
  readonly path: string
  /** The multipart field: `priceList`. */
  readonly field: string
  /** `price_lists` */
  readonly table: string
}

const answerTimeoutMs = 10_000
const stateTimeoutMs = 5_000
/** A cancel takes a few milliseconds on an idle machine. Even a busy one takes no longer than this. */
const hangUpLimitMs = 1_000

const uploadedBytes = 1_048_583

/** The first resource in the service's OpenAPI document that takes files; undefined if it has none. */
export async function findUploads(url: string): Promise<UploadResource | undefined> {
  const response = await answer(`${url}/openapi.json`)
  const { paths } = (await response.json()) as { paths: Record<string, { post?: PostOperation } | undefined> }
  for (const [path, item] of Object.entries(paths)) {
    const [field] = Object.keys(
      item?.post?.requestBody?.content?.['multipart/form-data']?.schema?.properties ?? {},
    )
    if (field !== undefined) return { path, field, table: path.slice(1).replaceAll('-', '_') }
  }
  return undefined
}

interface PostOperation {
  requestBody?: { content?: Record<string, { schema?: { properties?: Record<string, unknown> } }> }
}

/** Uploads random bytes and reads them back. @throws Error if the hash or a byte differs */
export async function tryUpload(url: string, resource: UploadResource): Promise<string> {
  const bytes = randomBytes(uploadedBytes)
  const form = new FormData()
  form.append(resource.field, new Blob([bytes], { type: 'application/octet-stream' }), 'verify.bin')
  const created = await answer(url + resource.path, { method: 'POST', body: form })
  const [items] = Object.values((await created.json()) as Record<string, { id: string; sha256: string }[]>)
  const [item] = items ?? []
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (created.status !== 201 || item?.sha256 !== sha256) {
    throw new Error(
      `POST ${resource.path} answered ${created.status} with sha256 ${item?.sha256}, not ${sha256}`,
    )
  }
  const content = await answer(`${url}${resource.path}/${item.id}/content`)
  if (!Buffer.from(await content.arrayBuffer()).equals(bytes)) {
    throw new Error(`GET ${resource.path}/${item.id}/content answered bytes that differ from the upload`)
  }
  return `${created.status}, sha256 ${sha256.slice(0, 12)}…, ${uploadedBytes} bytes came back unchanged`
}

/**
 * Locks the table, requests the list, which then waits, and hangs up.
 * @throws Error if the statement does not end in Postgres soon afterwards
 */
export async function tryHangUp(url: string, databaseUrl: string, resource: UploadResource): Promise<string> {
  const locker = new pg.Client({ connectionString: databaseUrl, application_name: 'verify' })
  const observer = new pg.Client({ connectionString: databaseUrl, application_name: 'verify' })
  try {
    await Promise.all([locker.connect(), observer.connect()])
    await locker.query(`begin; lock table ${pg.escapeIdentifier(resource.table)} in access exclusive mode`)
    // Not with Node's own agent, which may use a proxy.
    const request = get(url + resource.path, { agent: false })
    request.on('error', () => undefined)
    await untilWaiting(observer, 1)
    const hungUp = performance.now()
    request.destroy()
    await untilWaiting(observer, 0)
    const ms = Math.round(performance.now() - hungUp)
    if (ms > hangUpLimitMs) throw new Error(`the statement ended only ${ms} ms after the client hung up`)
    return `the waiting statement was gone from pg_stat_activity ${ms} ms after the client hung up`
  } finally {
    await Promise.all([locker.end(), observer.end()])
  }
}

/** Waits until `count` statements of the service wait for a lock. Postgres sends no event for that, so this polls. */
async function untilWaiting(observer: pg.Client, count: number): Promise<void> {
  const statement = `select count(*)::int as n from pg_stat_activity
    where datname = current_database() and state = 'active' and wait_event_type = 'Lock'`
  const endsAt = performance.now() + stateTimeoutMs
  for (;;) {
    const { rows } = await observer.query<{ n: number }>(statement)
    const seen = rows[0]?.n ?? 0
    if (seen === count) return
    if (performance.now() > endsAt) {
      throw new Error(`${seen} statements waited in Postgres after ${stateTimeoutMs} ms, not ${count}`)
    }
    await setTimeout(2)
  }
}

/** The answer, whatever its status. @throws if it takes longer than answerTimeoutMs */
export async function answer(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(answerTimeoutMs) })
}
