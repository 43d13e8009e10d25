/** What happens after an update that was killed, or during one that still runs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { startAdd, treeOf } from '../support/added-service.ts'
import { killerAt } from '../support/killer.ts'
import { commit, created, filesOf, folder, packageOf, resultOf, update } from '../support/versions.ts'

let older: string
let newer: string
beforeAll(() => {
  const first = { 'service/docs/first.txt': 'a\n', 'service/docs/second.txt': 'a\n' }
  older = packageOf('0.3.0', first)
  newer = packageOf('0.5.0', { 'service/docs/first.txt': 'b\n', 'service/docs/second.txt': 'b\n' })
})

function service(): string {
  const made = created(older, '--no-example')
  commit(made)
  return made
}

/** A service whose update was killed when it had written the first file and not yet the second. */
function interrupted(): string {
  const made = service()
  const { code } = update(newer, made, [], { NODE_OPTIONS: killerAt(1, 'docs/second.txt.', folder) })
  expect(code).toBeNull()
  expect(readFileSync(join(made, 'docs/first.txt'), 'utf8')).toBe('b\n')
  expect(readFileSync(join(made, 'docs/second.txt'), 'utf8')).toBe('a\n')
  return made
}

test('a file that the user has changed since is not overwritten, and --abort keeps a copy of it', () => {
  const made = interrupted()
  appendFileSync(join(made, 'docs/second.txt'), 'ours\n')
  const before = filesOf(made)
  const next = update(newer, made)
  expect(next.err).toBe(
    'create-mainstem: an update was killed while it wrote, and docs/second.txt has changed since: update --abort undoes it and keeps a copy of what you changed\n',
  )
  expect(next.code).toBe(1)
  expect(filesOf(made)).toEqual(before)
  const taken = update(newer, made, ['--abort'])
  expect(taken.out).toContain(
    'docs/second.txt had changed since the update: a copy is in .data/update/aborted',
  )
  expect(taken.code).toBe(0)
  expect(readFileSync(join(made, '.data/update/aborted/docs/second.txt'), 'utf8')).toBe('a\nours\n')
  expect(readFileSync(join(made, 'docs/first.txt'), 'utf8')).toBe('a\n')
})

test('later commits are not overwritten: --abort forgets the update, and the next one starts over', () => {
  const made = interrupted()
  commit(made)
  const before = filesOf(made)
  const next = update(newer, made)
  expect(next.err).toContain('something was committed since: run update --abort, which forgets that update')
  expect(next.code).toBe(1)
  const forgotten = update(newer, made, ['--abort'])
  expect(forgotten.out).toContain('docs/first.txt is as that update left it, and was not restored')
  expect(forgotten.code).toBe(0)
  expect(filesOf(made)).toEqual(before)
  expect(update(newer, made)).toMatchObject({ code: 0 })
  expect(readFileSync(join(made, 'docs/second.txt'), 'utf8')).toBe('b\n')
})

test('--check and --dry-run do not finish a killed update, and say that the next one will', () => {
  const made = interrupted()
  const before = treeOf(made)
  const checked = update(newer, made, ['--check'])
  expect(treeOf(made)).toEqual(before)
  expect(checked.out).toContain('an update was killed while it wrote: the next update finishes it')
  expect(checked.code).toBe(2)
  const dry = update(newer, made, ['--dry-run', '--json'])
  expect(treeOf(made)).toEqual(before)
  expect(dry.code).toBe(0)
  const { state, dryRun, files } = resultOf(dry)
  expect({ state, dryRun }).toEqual({ state: 'finished', dryRun: true })
  expect(files.map(({ path }) => path)).toEqual(['docs/first.txt', 'docs/second.txt'])
})

test('npm run add leaves a killed update to the next update', () => {
  const made = interrupted()
  const before = filesOf(made)
  const { code, err } = startAdd(made, 'route', 'report')
  expect(err).toBe(
    'An update was killed while it wrote: run npm run update, which finishes it, and then run this again.\n',
  )
  expect(code).toBe(1)
  expect(filesOf(made)).toEqual(before)
})

test('while one update runs, another one and npm run add are refused', async () => {
  const made = service()
  const first = spawn(process.execPath, [join(newer, 'dist/main.js'), 'update'], {
    cwd: made,
    env: { ...process.env, NODE_OPTIONS: killerAt(1, 'docs/second.txt.', folder, 'SIGSTOP') },
  })
  const ended = once(first, 'exit')
  await once(first.stderr, 'data')
  const before = filesOf(made)
  for (const args of [[], ['--dry-run'], ['--abort']]) {
    const second = update(newer, made, args)
    expect(second.err).toContain(`Another add or update is changing this service (process ${first.pid})`)
    expect(second.code).toBe(1)
  }
  for (const flags of [[], ['--dry-run']]) {
    const { code, err } = startAdd(made, 'route', 'report', ...flags)
    expect(err).toContain(`Another add or update is changing this service (process ${first.pid})`)
    expect(code).toBe(1)
  }
  expect(filesOf(made)).toEqual(before)
  first.kill('SIGCONT')
  expect(await ended).toEqual([0, null])
  expect(readFileSync(join(made, 'docs/second.txt'), 'utf8')).toBe('b\n')
  expect(existsSync(join(made, '.data/lock'))).toBe(false)
})

test('a file that changes while the update is planned is not overwritten', async () => {
  const made = created(older, '--no-example')
  // If both sides changed a file, update makes a copy to write the pages again. At that time it has decided on most files.
  writeFileSync(join(made, 'docs/first.txt'), 'ours\n')
  const running = spawn(process.execPath, [join(newer, 'dist/main.js'), 'update'], {
    cwd: made,
    env: {
      ...process.env,
      npm_config_registry: 'http://127.0.0.1:9/',
      npm_config_fetch_retries: '0',
      NODE_OPTIONS: killerAt(1, '.data/update/copy-', folder, 'SIGSTOP'),
    },
  })
  const ended = once(running, 'exit')
  let err = ''
  await new Promise<void>((resolve) => {
    running.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
      if (err.includes('stopping')) resolve()
    })
  })
  writeFileSync(join(made, 'docs/second.txt'), 'ours, just now\n')
  const before = filesOf(made)
  running.kill('SIGCONT')
  expect(await ended).toEqual([1, null])
  expect(err).toContain('docs/second.txt was changed while the update was planned: run it again')
  expect(filesOf(made)).toEqual(before)
})

test('the lock of a killed process is taken over; one of another machine is not', () => {
  const made = service()
  mkdirSync(join(made, '.data'), { recursive: true })
  // The highest id that Linux gives is 4194304.
  writeFileSync(join(made, '.data/lock'), `4194305 ${hostname()}\n`)
  expect(update(newer, made)).toMatchObject({ code: 0 })
  expect(existsSync(join(made, '.data/lock'))).toBe(false)
  writeFileSync(join(made, '.data/lock'), '1 elsewhere\n')
  const { code, err } = startAdd(made, 'route', 'report')
  expect(err).toContain(
    '(process 1 on elsewhere): wait until it has ended; if none is running, remove .data/lock.',
  )
  expect(code).toBe(1)
})
