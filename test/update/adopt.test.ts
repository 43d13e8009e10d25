/** How `--adopt` makes the record of a service that has none. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { recordFrom, type ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import { edit, startAdd } from '../support/added-service.ts'
import { commit, created, filesOf, git, packageOf, update } from '../support/versions.ts'

let current: string
beforeAll(() => {
  current = packageOf('0.3.0')
})

/** A service as its team committed it, without the record; and the record that it should get. */
function without(...pieces: string[][]): { service: string; record: string } {
  const service = created(current, '--no-example')
  git(service, 'init', '--quiet', '--initial-branch=main')
  git(service, 'add', '--all')
  git(service, 'commit', '--quiet', '--message', 'Create my-service with create-mainstem 0.3.0')
  for (const args of pieces) expect(startAdd(service, ...args)).toMatchObject({ code: 0 })
  const path = join(service, '.mainstem.json')
  const record = readFileSync(path, 'utf8')
  rmSync(path)
  commit(service)
  return { service, record }
}

function recordOf(service: string): ServiceRecord {
  return recordFrom(readFileSync(join(service, '.mainstem.json'), 'utf8'))
}

test('flags are recovered from the stamped code', () => {
  const { service, record } = without(
    ['route', 'report', '--method', 'POST', '--path', '/rates/:base'],
    ['client', 'payments', '--base-url', 'https://payments.example.com'],
    ['idempotency'],
    ['job', 'send-mail'],
  )
  const { code, err } = update(current, service, ['--adopt', '--no-install'])
  expect(err).toBe('')
  expect(code).toBe(0)
  expect(readFileSync(join(service, '.mainstem.json'), 'utf8')).toBe(record)
})

test('a piece with unknown fields is refused until --piece gives them', () => {
  const fields = 'title:text, price:numeric(10,2)'
  const { service, record } = without(['resource', 'invoice', '--fields', fields])
  const before = filesOf(service)
  const refused = update(current, service, ['--adopt', '--no-install'])
  expect(refused.err).toContain("give it with update --adopt --piece 'resource invoice --fields …'")
  expect(refused.code).toBe(1)
  expect(filesOf(service)).toEqual(before)
  const piece = `resource invoice --fields ${fields}`
  expect(update(current, service, ['--adopt', '--no-install', '--piece', piece])).toMatchObject({
    code: 0,
    err: '',
  })
  expect(readFileSync(join(service, '.mainstem.json'), 'utf8')).toBe(record)
})

test('a piece whose folder the team has moved is recorded if --piece names it; the pieces that it needs are found', () => {
  const { service, record } = without(['job', 'send-mail'])
  renameSync(join(service, 'src/send-mail'), join(service, 'src/mail'))
  edit(service, 'src/jobs.ts', (text) => text.replace('./send-mail/', './mail/'))
  commit(service)
  const before = filesOf(service)
  const unknown = ['--adopt', '--no-install', '--piece', 'job send-fax']
  expect(update(current, service, unknown).err).toContain(
    "--piece 'job send-fax' is not found: the service has neither its files nor a call of it",
  )
  expect(filesOf(service)).toEqual(before)

  expect(update(current, service, ['--adopt', '--no-install']).out).toContain('and worker')
  expect(recordOf(service).pieces.map(({ piece }) => piece)).toEqual(['worker'])
  expect(update(current, service, ['--abort'])).toMatchObject({ code: 0 })

  const named = ['--adopt', '--no-install', '--piece', 'job send-mail']
  expect(update(current, service, named)).toMatchObject({ code: 0, err: '' })
  expect(readFileSync(join(service, '.mainstem.json'), 'utf8')).toBe(record)
})

test('a piece that --piece names and the service lacks is refused with the reason', () => {
  const { service } = without()
  for (const [piece, sentence] of [
    ['client payments', "--piece 'client payments' is not found: --base-url must be a URL"],
    ['resource news', '--piece \'resource news\' is not found: The plural of "news" is the same word'],
    ['auth', '--piece auth is not found: the service has neither its files nor a call of it'],
  ] as const) {
    const refused = update(current, service, ['--adopt', '--no-install', '--piece', piece])
    expect(refused.err).toContain(`create-mainstem: ${sentence}`)
    expect(refused.code).toBe(1)
  }
})

test('a file that the team has changed since its first commit does not hide the flags', () => {
  const { service, record } = without(['resource', 'invoice'])
  const path = join(service, 'src/invoices/invoices.schema.ts')
  writeFileSync(path, `// Ours.\n${readFileSync(path, 'utf8')}`)
  commit(service)
  expect(update(current, service, ['--adopt', '--no-install'])).toMatchObject({ code: 0, err: '' })
  expect(readFileSync(join(service, '.mainstem.json'), 'utf8')).toBe(record)
})

test('--piece without --adopt, and one that is not a piece, are refused', () => {
  const { service } = without()
  expect(update(current, service, ['--piece', 'route report']).err).toContain('--piece belongs to --adopt')
  expect(update(current, service, ['--adopt', '--piece', '--fields']).err).toContain('--piece needs a value')
  expect(update(current, service, ['--adopt', '--piece', 'Route 66']).err).toContain(
    '--piece Route 66 is not a piece',
  )
})
