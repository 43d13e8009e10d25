import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { eventually, open } from '../../../templates/service/test/support/client.ts'
import { running, type Postgres } from './postgres.ts'

export { eventually, open }

/** A document as the service returns it. */
interface Document {
  readonly id: string
  readonly sha256: string
}

/** Uploads two documents, finds, reads and deletes them, through `url`. */
export async function useDocuments(url: string): Promise<void> {
  const content = 'x'.repeat(200_000)
  const documents = await uploadTwo(url, content)
  expect(documents.map(({ sha256 }) => sha256)).toContain(createHash('sha256').update(content).digest('hex'))
  const list = (await (await fetch(`${url}/documents?limit=100`)).json()) as { documents: Document[] }
  for (const { id, sha256 } of documents) {
    expect(list.documents.map((document) => document.id)).toContain(id)
    expect(await (await fetch(`${url}/documents/${id}`)).json()).toMatchObject({ id, sha256 })
    const part = await fetch(`${url}/documents/${id}/content`, { headers: { range: 'bytes=1-3' } })
    expect([part.status, (await part.text()).length]).toEqual([206, 3])
    const whole = await (await fetch(`${url}/documents/${id}/content`)).text()
    expect(createHash('sha256').update(whole).digest('hex')).toBe(sha256)
    expect((await fetch(`${url}/documents/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await fetch(`${url}/documents/${id}`)).status).toBe(404)
  }
}

async function uploadTwo(url: string, content: string): Promise<readonly Document[]> {
  const body = new FormData()
  body.append('document', new Blob([content]), 'one.txt')
  body.append('document', new Blob(['another']), 'another.txt')
  const response = await fetch(`${url}/documents`, { method: 'POST', body })
  const text = await response.text()
  expect(response.status, text).toBe(201)
  return (JSON.parse(text) as { documents: Document[] }).documents
}

/**
 * Clients hang up on statements of 30 s, `each` at a time for `rounds`, beside clients that wait for short statements. Every long
 * statement must end, and no short one may be hit.
 */
export async function hangUpBesideInnocents(
  url: string,
  postgres: Postgres,
  { rounds, each }: { rounds: number; each: number },
): Promise<void> {
  let leaving = true
  const answers = new Map<number, number>()
  const innocent = async (): Promise<void> => {
    while (leaving) {
      const { status } = await open(`${url}/probe/query?seconds=0.005`).answer
      answers.set(status, (answers.get(status) ?? 0) + 1)
    }
  }
  const innocents = Promise.all([innocent(), innocent()])
  try {
    for (let round = 0; round < rounds; round++) {
      const leavers = Array.from({ length: each }, () => open(`${url}/probe/query?seconds=30`))
      await eventually(async () => (await sleeping(postgres)) === each, 20_000)
      for (const leaver of leavers) leaver.hangUp()
      await eventually(async () => (await sleeping(postgres)) === 0, 20_000)
    }
  } finally {
    leaving = false
    await innocents
  }
  expect([...answers.keys()]).toEqual([200])
}

/** The number of long statements: the short ones run for some milliseconds. */
async function sleeping({ sql }: Postgres): Promise<number> {
  const [row] = await sql(
    `select count(*)::int as count from pg_stat_activity
      where state = 'active' and query like '%pg_sleep%' and query_start < now() - interval '100 ms'
        and pid <> pg_backend_pid()`,
  )
  return Number(row?.['count'])
}

/** Hangs up on one statement, and waits until it has ended. @returns how many milliseconds that took */
export async function hangUp(url: string, postgres: Postgres): Promise<number> {
  const leaver = open(`${url}/probe/query?seconds=30`)
  await eventually(async () => (await running(postgres, 'pg_sleep')) === 1, 20_000)
  leaver.hangUp()
  return await eventually(async () => (await running(postgres, 'pg_sleep')) === 0, 20_000)
}

/** Streams rows out of Postgres, to the end and with a hang-up in the middle, which leaves no transaction open. */
export async function streamRows(url: string, postgres: Postgres): Promise<void> {
  const lines = (await (await fetch(`${url}/probe/rows?count=5000`)).text()).trimEnd().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual(
    Array.from({ length: 5_000 }, (_, i) => i + 1),
  )
  const leaving = new AbortController()
  const response = await fetch(`${url}/probe/rows?count=1000000`, { signal: leaving.signal })
  await response.body?.getReader().read()
  expect(await transactions(postgres)).toBe(1)
  leaving.abort()
  await eventually(async () => (await transactions(postgres)) === 0, 20_000)
}

/** The number of the service's open transactions: a stream is one. */
async function transactions({ sql }: Postgres): Promise<number> {
  const [row] = await sql(
    `select count(*)::int as count from pg_stat_activity where usename = 'app' and xact_start is not null`,
  )
  return Number(row?.['count'])
}
