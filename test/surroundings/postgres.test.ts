/** The emitted service on the oldest and the newest tested PostgreSQL, in plain text and over TLS. */
import { describe, expect, it } from 'vitest'
import { makeCertificates, overTls } from './support/certificates.ts'
import { hangUpBesideInnocents, streamRows, useDocuments } from './support/clients.ts'
import type { Scope } from './support/daemon.ts'
import { password, startPostgres, type Postgres } from './support/postgres.ts'
import { find } from './support/programs.ts'
import { migrate, startService, type Service } from './support/service.ts'

const hasDebians = find('/usr/lib/postgresql/15/bin/postgres') !== undefined
const hasOpenssl = find('openssl') !== undefined

/** Migrates the database at `url` and starts a service on it. */
async function serve(t: Scope, url: string): Promise<Service> {
  expect(await migrate(t, { env: { DATABASE_URL: url } })).toHaveLength(1)
  return await startService(t, { env: { DATABASE_URL: url } })
}

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  const present = version === 18 || hasDebians

  it.skipIf(!present)('in plain text: documents, hang-ups beside others, streams', async (t) => {
    const postgres = await startPostgres(t, { version })
    const { url } = await serve(t, postgres.url)
    await useDocuments(url)
    await hangUpBesideInnocents(url, postgres, { rounds: 10, each: 4 })
    await streamRows(url, postgres)
  })

  it.skipIf(!present || !hasOpenssl)(
    'over verified TLS, to an address without a name, with a client certificate',
    async (t) => {
      const certificates = await makeCertificates(t)
      const postgres = await startPostgres(t, { version, ...(await overTls(certificates, 'cert')) })
      const { ca, client } = certificates
      const query = `sslmode=verify-full&sslrootcert=${ca}&sslcert=${client.cert}&sslkey=${client.key}`
      const { url } = await serve(t, `${postgres.url.replace(`:${password}@`, '@')}?${query}`)
      await useDocuments(url)
      expect(await encrypted(postgres)).toBe(true)
    },
  )
})

it.skipIf(!hasOpenssl)('on PostgreSQL 18 over directly negotiated TLS, without a round trip', async (t) => {
  const certificates = await makeCertificates(t)
  const postgres = await startPostgres(t, {
    version: 18,
    ...(await overTls(certificates, 'scram-sha-256')),
  })
  const query = `sslmode=verify-full&sslrootcert=${certificates.ca}&sslnegotiation=direct`
  const { url } = await serve(t, `${postgres.url}?${query}`)
  await useDocuments(url)
  expect(await encrypted(postgres)).toBe(true)
})

async function encrypted({ sql }: Postgres): Promise<boolean> {
  const [row] = await sql(`select bool_and(ssl) as all from pg_stat_ssl join pg_stat_activity using (pid)
    where usename = 'app'`)
  return row?.['all'] === true
}
