/** Events through PgBouncer in transaction mode, by two instances that publish and handle: its statements share sessions. */
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { emitService, migrateEmitted, startEmitted } from '../../bench/support/emitted.ts'
import { startNats } from '../../bench/support/nats.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { eventually } from './support/clients.ts'
import { freePort, temporaryFolder } from './support/daemon.ts'
import { startPgBouncer } from './support/pgbouncer.ts'
import { startPostgres } from './support/postgres.ts'
import { find } from './support/programs.ts'

const missing = find('pgbouncer') === undefined || find('nats-server') === undefined

describe.skipIf(missing)('events behind PgBouncer in transaction mode', () => {
  it('are handled once, in the order of their keys, by two instances', async (t) => {
    const ctx = testContext(t)
    const folder = await temporaryFolder(t, 'events')
    const postgres = await startPostgres(t, { version: 18 })
    const pgbouncer = await startPgBouncer(t, postgres, 'transaction')
    const nats = await startNats(join(folder, 'nats'), await freePort())
    t.onTestFinished(() => nats.kill())
    const pieces = ['publisher', 'consumer'].map((piece) => [piece, 'invoice-paid'])
    const service = await emitService(ctx, folder, 'ledger', pieces)
    await migrateEmitted(ctx, service, pgbouncer.url)
    const client = new pg.Client({ connectionString: pgbouncer.url })
    await client.connect()
    t.onTestFinished(() => client.end())
    await client.query('create table effects (number serial, key text, text text)')
    await client.query('create sequence tries')
    const ports: number[] = []
    for (let n = 0; n < 2; n++) {
      const env = { DATABASE_URL: pgbouncer.url, BROKER_URL: nats.url, UPLOAD_DIR: join(folder, 'uploads') }
      const instance = await startEmitted(ctx, service, env)
      t.onTestFinished(async () => {
        await instance.end('SIGKILL')
      })
      ports.push(instance.port)
    }

    // The first of them fails once, and holds up its key.
    for (let n = 0; n < 200; n++) {
      const query = `key=key-${n % 10}&text=${n === 0 ? 'flaky' : n}`
      const { status } = await fetch(`http://127.0.0.1:${ports[n % 2]}/probe/events?${query}`, {
        method: 'POST',
      })
      expect(status).toBe(202)
    }

    const handled = async () =>
      (await client.query<{ key: string; text: string }>('select key, text from effects order by number'))
        .rows
    await eventually(async () => (await handled()).length === 200, 30_000)
    const rows = await handled()
    for (let key = 0; key < 10; key++) {
      const texts = rows.flatMap((row) => (row.key === `key-${key}` ? [row.text] : []))
      const wanted = Array.from({ length: 20 }, (_, n) => String(n * 10 + key))
      expect(texts).toEqual(key === 0 ? ['flaky', ...wanted.slice(1)] : wanted)
    }
    expect((await client.query('select from events.held')).rows).toEqual([])
    expect(pgbouncer.log()).not.toMatch(/prepared statement|does not exist/i)
  })
})
