import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { blobId, recordFrom, type ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import { add, edit, emittedService, newService, treeOf } from '../support/added-service.ts'

const recordPath = '.mainstem.json'

/** A service as the create command emits it, with the example. */
let emitted: string
beforeAll(() => {
  emitted = emittedService()
})

function recordOf(service: string): ServiceRecord {
  return recordFrom(readFileSync(join(service, recordPath), 'utf8'))
}

function git(service: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.com']
  return execFileSync('git', [...identity, ...args], { cwd: service, encoding: 'utf8' })
}

test('create records every file under the id that git gives it', () => {
  const { answers, files, pieces } = recordOf(emitted)
  expect(answers).toEqual({ name: 'my-service', example: true, pm: 'npm' })
  expect(pieces.map(({ piece, noun, plural }) => [piece, noun, plural])).toEqual([
    ['upload', 'document', 'documents'],
  ])

  const recorded = { ...files, ...pieces[0]?.files }
  const expected = [...treeOf(emitted)]
    .filter(([path]) => existsSync(join(emitted, path)) && !isFolder(path))
    .map(([path]) => path)
    .filter((path) => path !== recordPath && !path.startsWith('drizzle/'))
  expect(Object.keys(recorded).sort()).toEqual(expected.sort())
  const ids = git(emitted, 'hash-object', '--no-filters', ...Object.keys(recorded))
    .trim()
    .split('\n')
  expect(Object.values(recorded)).toEqual(ids)

  function isFolder(path: string): boolean {
    return spawnSync('test', ['-d', join(emitted, path)]).status === 0
  }
})

test('add records the piece that it stamped and the pieces that it needs, once', async () => {
  const service = newService(emitted)
  expect((await add(service, 'schedule', 'nightly', '--cron', '5 3 * * 1', '--dry-run')).code).toBe(0)
  expect(recordOf(service)).toEqual(recordOf(emitted))

  expect(await add(service, 'schedule', 'nightly', '--cron', '5 3 * * 1')).toMatchObject({ code: 0, err: '' })
  const [schedule, , worker] = recordOf(service).pieces
  expect(schedule).toMatchObject({ piece: 'schedule', noun: 'nightly', flags: { cron: '5 3 * * 1' } })
  expect(worker).toMatchObject({ piece: 'worker', flags: {} })
  expect(worker).not.toHaveProperty('noun')
  for (const { files } of recordOf(service).pieces) {
    for (const [path, id] of Object.entries(files)) {
      // Recorded as it was stamped: the schedule is wired into it.
      if (path !== 'src/jobs.ts') expect(blobId(readFileSync(join(service, path))), path).toBe(id)
    }
  }
  // The ids of the skeleton stay those of what was emitted, though add has changed some of its files.
  expect(recordOf(service).files).toEqual(recordOf(emitted).files)

  const text = readFileSync(join(service, recordPath), 'utf8')
  expect((await add(service, 'schedule', 'nightly', '--cron', '5 3 * * 1')).out).toContain('nothing to do')
  expect(readFileSync(join(service, recordPath), 'utf8')).toBe(text)

  const before = worker?.files
  expect(await add(service, 'job', 'send-mail')).toMatchObject({ code: 0, err: '' })
  expect(recordOf(service).pieces.find(({ piece }) => piece === 'worker')?.files).toEqual(before)
})

test('the additions of two branches merge', async () => {
  const service = newService(emitted)
  git(service, 'init', '--quiet', '--initial-branch=main')
  const grow = async (branch: string, ...args: string[]): Promise<void> => {
    git(service, 'switch', '--quiet', '-c', branch, 'main')
    expect((await add(service, ...args)).code).toBe(0)
    git(service, 'add', recordPath)
    git(service, 'commit', '--quiet', '-m', branch)
  }
  git(service, 'add', '.', ':!node_modules')
  git(service, 'commit', '--quiet', '-m', 'created')
  await grow('one', 'route', 'report')
  git(service, 'checkout', '--quiet', '--', '.')
  await grow('other', 'upload', 'photo')
  git(service, 'checkout', '--quiet', '--', '.')
  git(service, 'merge', '--quiet', '--no-edit', 'one')
  const titles = recordOf(service).pieces.map(({ piece, noun }) => `${piece} ${noun ?? ''}`)
  expect(titles).toEqual(['route report', 'upload document', 'upload photo'])
})

test('--merge-record keeps the pieces that two branches added in one place, and not a piece that one of them removed', async () => {
  const service = newService(emitted)
  git(service, 'init', '--quiet', '--initial-branch=main')
  const commitRecord = async (...args: string[]): Promise<void> => {
    expect(await add(service, ...args)).toMatchObject({ code: 0 })
    git(service, 'add', '.', ':!node_modules')
    git(service, 'commit', '--quiet', '-m', args.join(' '))
  }
  await commitRecord('route', 'middle')
  git(service, 'switch', '--quiet', '-c', 'other')
  await commitRecord('route', 'alpha')
  git(service, 'switch', '--quiet', 'main')
  await commitRecord('--remove', 'route', 'middle')
  await commitRecord('route', 'beta')
  const [ours, theirs] = ['main', 'other'].map((branch) =>
    recordFrom(git(service, 'show', `${branch}:${recordPath}`)),
  )
  expect((await add(service, '--merge-record')).err).toContain('Git has no conflict in .mainstem.json')
  expect(() => git(service, 'merge', '--quiet', 'other')).toThrow('merge --quiet other')

  expect(await add(service, '--merge-record')).toMatchObject({
    code: 0,
    out: expect.stringContaining('git add .mainstem.json') as string,
  })

  const { files, pieces } = recordOf(service)
  expect(files).toEqual(ours?.files)
  const alpha = theirs?.pieces.find(({ noun }) => noun === 'alpha')
  const [beta, document] = ours?.pieces ?? []
  expect(pieces).toEqual([alpha, beta, document])
})

test.each([
  ['route', 'report'],
  ['--remove'],
  ['--drop'],
  ['--diff'],
  ['--dry-run'],
  ['--json'],
  ['--yes'],
  ['--install'],
  ['--no-install'],
  ['--fields', 'number:text'],
])('--merge-record refuses %s beside it', async (...beside) => {
  const { code, err } = await add(newService(emitted), '--merge-record', ...beside)
  expect(err).toContain('--merge-record takes no other argument: write npm run add -- --merge-record\n')
  expect(code).toBe(1)
})

test.each([
  ['<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n', 'has conflict markers: npm run add -- --merge-record'],
  ['{ "version"', 'is not valid JSON'],
  [
    '{"version":"0.1.0","answers":{},"files":{"a":"1","b":"\\"a\\": {","a":"2"},"pieces":[]}',
    'has "a" twice in one place: while git merges, run npm run add -- --merge-record',
  ],
  [
    '{"version":"0.1.0","answers":{},"files":{},"pieces":[{"piece":"auth","flags":{},"version":"0.1.0","files":{}},{"piece":"auth","flags":{},"version":"0.1.0","files":{}}]}',
    'lists the piece auth twice: keep one of the entries',
  ],
  ['{"version":"0.1.0","answers":{},"files":{"a":1},"pieces":[]}', 'lacks what update and add need'],
])('a record that cannot be read stops add, and nothing is written', async (text, why) => {
  const service = newService(emitted)
  edit(service, recordPath, () => text)
  const before = treeOf(service)
  const { code, err } = await add(service, 'route', 'report')
  expect(err).toContain(why)
  expect(code).toBe(1)
  expect(treeOf(service)).toEqual(before)
})

test('a service without a record stays without one', async () => {
  const service = newService()
  expect(await add(service, 'route', 'report')).toMatchObject({ code: 0, err: '' })
  expect(existsSync(join(service, recordPath))).toBe(false)
})
