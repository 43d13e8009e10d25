/** `npm run db:seed` in a service with a resource. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, test } from 'vitest'
import { temporaryServer } from '../../templates/service/scripts/postgres/databases.ts'
import { add, edit, newService, type Result } from '../support/added-service.ts'

const ids = [1, 2].map((n) => `01990000-0000-7000-8000-00000000000${n}`)

/** What scripts/seed/rows.ts returns. */
function writeRows(service: string, rows: string): void {
  const text = `import { invoices } from '../../src/invoices/invoices.schema.ts'
import { rows, type Seed } from './plant.ts'
export function seeds(): Seed[] {
  return [rows(invoices, [${rows}])]
}
`
  edit(service, 'scripts/seed/rows.ts', () => text)
}

test('it inserts the rows that are missing, all or none, and leaves the others as they are', async (t) => {
  const service = newService()
  const server = await temporaryServer()
  t.onTestFinished(() => server.stop())
  const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: server.url }
  const script = (path: string): Result => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', path], {
      cwd: service,
      env,
      encoding: 'utf8',
    })
    return { code: status, out: stdout, err: stderr }
  }
  const seed = (): Result => script('scripts/seed/seed.ts')
  expect(seed()).toMatchObject({ code: 0, out: expect.stringContaining('nothing to do') as unknown })
  expect(await add(service, 'resource', 'invoice', '--fields', 'title:text unique')).toMatchObject({
    code: 0,
  })
  writeRows(service, `{ id: '${ids[0]}', title: 'one' }, { id: '${ids[1]}', title: 'two' }`)
  expect(seed()).toMatchObject({ code: 1, err: expect.stringMatching(/^db:seed: .*db:migrate/) as unknown })
  expect(script('src/migrate.ts').code).toBe(0)

  expect(seed().out).toBe('db:seed: invoices: 2 inserted, 0 there already\n')

  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  t.onTestFinished(() => client.end())
  const titles = async (): Promise<unknown[]> =>
    (await client.query<{ title: string }>('select title from invoices order by id')).rows.map(
      ({ title }) => title,
    )
  await client.query(`update invoices set title = 'edited' where title = 'one'`)
  expect(seed().out).toBe('db:seed: invoices: 0 inserted, 2 there already\n')
  expect(await titles()).toEqual(['edited', 'two'])

  await client.query('delete from invoices')
  writeRows(service, `{ id: '${ids[0]}', title: 'one' }, { id: '${ids[1]}', title: 'one' }`)
  expect(seed()).toMatchObject({ code: 1, err: expect.stringMatching(/^db:seed: .*unique/) as unknown })
  writeRows(service, `{ id: '${ids[0]}', title: 'one' }, { title: 'two' } as never`)
  expect(seed().err).toBe('db:seed: row 2 of invoices has no id, by which a second run would find it\n')
  expect(await titles()).toEqual([])

  // More than one statement can insert, by two runs at once.
  const many = 40_000
  writeRows(
    service,
    `...Array.from({ length: ${many} }, (_, i) => ({ id: '${ids[0]}'.slice(0, 24) + String(i).padStart(12, '0'), title: String(i) }))`,
  )
  const run = () =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', 'scripts/seed/seed.ts'], { cwd: service, env })
  const said = await Promise.all([run(), run()])
  expect(said.map(({ stdout }) => stdout).sort()).toEqual([
    `db:seed: invoices: 0 inserted, ${many} there already\n`,
    `db:seed: invoices: ${many} inserted, 0 there already\n`,
  ])
  expect((await titles()).length).toBe(many)
})
