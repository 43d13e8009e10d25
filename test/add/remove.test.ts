/** What `npm run add -- --remove` removes, and what it refuses to remove. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { add, edit, newService, sample, treeOf, withoutMigrations } from '../support/added-service.ts'

const rows = 'src/platform/database/rows.ts'

test('add and --remove --drop leave the service as it was, and a migration that drops the table', async () => {
  const service = newService(sample)
  const before = withoutMigrations(service)
  expect(await add(service, 'resource', 'invoice', '--fields', 'number:text')).toMatchObject({
    code: 0,
    err: '',
  })
  expect(await add(service, '--remove', '--drop', 'resource', 'invoice')).toMatchObject({ code: 0, err: '' })
  expect(withoutMigrations(service)).toEqual(before)
  const [drop = ''] = [...treeOf(service)]
    .filter(([path]) => path.endsWith('drop-invoices.sql'))
    .map(([, sql]) => sql)
  expect(drop).toContain('DROP TABLE "invoices"')
})

test('a piece that others need is removed with the last of them', async () => {
  const service = newService(sample)
  const before = withoutMigrations(service)
  const added = await add(service, 'job', 'send-invoice')
  expect(added).toMatchObject({ code: 0 })
  // The service refuses a database without the tables of graphile-worker.
  expect(added.out).toContain('Next: npm install, npm run db:migrate (npm run dev does it too), npm test\n')
  const withJob = withoutMigrations(service)
  expect(await add(service, 'schedule', 'nightly', '--cron', '5 3 * * 1')).toMatchObject({ code: 0 })
  expect(await add(service, '--remove', 'schedule', 'nightly')).toMatchObject({ code: 0, err: '' })
  expect(withoutMigrations(service)).toEqual(withJob)
  const removed = await add(service, '--remove', 'job', 'send-invoice')
  expect(removed).toMatchObject({ code: 0, err: '' })
  expect(removed.out).not.toContain('db:migrate')
  expect(withoutMigrations(service)).toEqual(before)
})

test('a piece that takes no name has no second word', async () => {
  const service = newService(sample)
  expect((await add(service, 'auth')).out).toMatch(/^auth\n/)
  expect((await add(service, '--remove', '--dry-run', 'auth')).out).toMatch(/^Remove auth \(dry run/)
})

test('a removed piece needs no other piece, though its schema stays', async () => {
  const service = newService(sample)
  for (const noun of ['invoice', 'bill'])
    expect(await add(service, 'resource', noun, '--fields', 'number:text')).toMatchObject({ code: 0 })
  expect(await add(service, '--remove', 'resource', 'invoice')).toMatchObject({ code: 0, err: '' })
  expect(treeOf(service).has(rows)).toBe(true)
  expect(await add(service, '--remove', 'resource', 'bill')).toMatchObject({ code: 0, err: '' })
  expect(treeOf(service).has(rows)).toBe(false)
  expect(treeOf(service).has('src/invoices/invoices.schema.ts')).toBe(true)
})

test('one of two publishers and a consumer can be removed; the message names tables that no migration drops', async () => {
  const service = newService(sample)
  const before = withoutMigrations(service)
  expect(await add(service, 'publisher', 'order-placed')).toMatchObject({ code: 0 })
  const withOne = withoutMigrations(service)
  for (const piece of ['publisher', 'consumer'])
    expect(await add(service, piece, 'invoice-paid')).toMatchObject({ code: 0 })

  const publisher = await add(service, '--remove', 'publisher', 'invoice-paid')
  const consumer = await add(service, '--remove', '--drop', 'consumer', 'invoice-paid')

  expect(publisher.out).not.toContain('stay')
  expect(consumer.out).toContain('The tables events.held and events.handled stay')
  expect(withoutMigrations(service)).toEqual(withOne)
  const { out } = await add(service, '--remove', '--json', 'publisher', 'order-placed')
  expect(JSON.parse(out)).toMatchObject({ leaves: [expect.stringContaining('events.outbox stays')] })
  expect(withoutMigrations(service)).toEqual(before)
})

test('a piece whose folder the team has moved is not half removed', async () => {
  const service = newService(sample)
  expect(await add(service, 'route', 'report')).toMatchObject({ code: 0 })
  renameSync(join(service, 'src/report'), join(service, 'src/statements'))
  edit(service, 'src/routes.ts', (text) => text.replace('./report/', './statements/'))
  const before = treeOf(service)
  const { code, err } = await add(service, '--remove', 'route', 'report')
  expect(err).toContain('src/routes.ts imports reportRoutes from ./statements/report.routes.ts')
  expect(code).toBe(1)
  expect(treeOf(service)).toEqual(before)
})

test('a client that the team has moved is not half removed', async () => {
  const service = newService(sample)
  expect(await add(service, 'client', 'payments', '--base-url', 'http://payments')).toMatchObject({ code: 0 })
  const [from, to] = ['src/platform/client/payments-client.ts', 'src/platform/payments-client.ts']
  renameSync(join(service, from), join(service, to))
  edit(service, 'src/platform/platform.ts', (text) =>
    text.replaceAll('./client/payments-client.ts', './payments-client.ts'),
  )
  const before = treeOf(service)
  const { code, err } = await add(service, '--remove', 'client', 'payments')
  expect(err).toMatch(
    /^src\/platform\/platform\.ts imports \w+ from \.\/payments-client\.ts, and it was stamped in /,
  )
  expect(code).toBe(1)
  expect(treeOf(service)).toEqual(before)
})

describe('of a resource', () => {
  let service: string
  let before: ReadonlyMap<string, string>
  beforeAll(async () => {
    service = newService(sample)
    expect(await add(service, 'resource', 'invoice', '--fields', 'number:text')).toMatchObject({ code: 0 })
    before = treeOf(service)
  })

  async function refused(...args: string[]): Promise<string> {
    const { code, err } = await add(service, '--remove', ...args)
    expect(code).toBe(1)
    return err
  }

  test('--dry-run shows what would be removed, with --json for programs; neither writes', async () => {
    expect((await add(service, '--remove', '--dry-run', 'resource', 'invoice')).out).toMatch(
      /^Remove resource invoice \(dry run: nothing is written\)\n.* {2}- src\/invoices\/invoices\.handlers\.ts /s,
    )
    const { out } = await add(service, '--remove', '--dry-run', '--json', 'resource', 'invoice')
    const result = JSON.parse(out) as { written: boolean; kept: string[] }
    expect(result).toMatchObject({ written: false, kept: ['src/invoices/invoices.schema.ts'] })
    expect(treeOf(service)).toEqual(before)
  })

  test('a name that was not added, and --drop alone, are refused', async () => {
    expect(await refused('resource', 'bill')).toBe(
      'resource bill was not added here: there is resource invoice.\n',
    )
    expect(await add(service, '--drop', 'resource', 'bill')).toMatchObject({ code: 1 })
    expect(treeOf(service)).toEqual(before)
  })

  test('a file that the team has changed is named, and nothing is removed', async () => {
    const path = 'src/invoices/invoices.handlers.ts'
    edit(service, path, (text) => `${text}// ours\n`)
    expect(await refused('resource', 'invoice')).toContain('src/invoices/invoices.handlers.ts was changed')
    edit(service, path, (text) => text.replace('// ours\n', ''))
    expect(treeOf(service)).toEqual(before)
  })

  test('a file of the team that imports a removed file is named, and nothing is removed', async () => {
    const path = join(service, 'src/orders.ts')
    writeFileSync(path, "export { invoiceRoutes } from './invoices/invoices.routes.ts'\n")
    expect(await refused('resource', 'invoice')).toContain(
      'src/orders.ts imports src/invoices/invoices.routes.ts',
    )
    rmSync(path)
    expect(treeOf(service)).toEqual(before)
  })

  test('without --drop the schema and its table stay; with it both are removed', async () => {
    const { code, out } = await add(service, '--remove', 'resource', 'invoice')
    expect(code).toBe(0)
    expect(out).toContain('src/invoices/invoices.schema.ts stays, because its table does')
    expect([...treeOf(service).keys()].filter((path) => path.startsWith('src/invoices/'))).toEqual([
      'src/invoices/invoices.schema.ts',
    ])
    expect(await add(service, '--remove', '--drop', 'resource', 'invoice')).toMatchObject({
      code: 0,
      err: '',
    })
    expect([...treeOf(service).keys()].filter((path) => path.startsWith('src/invoices/'))).toEqual([])
  })
})
