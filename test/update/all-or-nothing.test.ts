import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { killerAt } from '../support/killer.ts'
import {
  commit,
  created,
  filesOf,
  folder,
  git,
  packageOf,
  resultOf,
  templateOf,
  update,
} from '../support/versions.ts'

const [first, second, third] = ['docs/first.txt', 'docs/deep/second.txt', 'docs/third.txt'] as const

let older: string
let newer: string
beforeAll(() => {
  older = packageOf('0.3.0', {
    [`service/${first}`]: 'a\n',
    [`service/${second}`]: 'b\n',
    'service/docs/lines.txt': numbers(),
  })
  newer = packageOf('0.5.0', {
    [`service/${first}`]: 'A\n',
    [`service/${third}`]: 'c\n',
    'service/docs/lines.txt': numbers().replace(/7/g, 'seven'),
  })
})

function numbers(): string {
  return Array.from({ length: 200 }, (_, line) => `line ${line}\n`).join('')
}

function service(): string {
  const made = created(older, '--no-example')
  commit(made)
  return made
}

describe('kill -9 at a write leaves the old service or one that the next run finishes', () => {
  let before: Record<string, string>
  let after: Record<string, string>
  beforeAll(() => {
    const made = service()
    before = filesOf(made)
    expect(update(newer, made)).toMatchObject({ code: 0 })
    after = filesOf(made)
    expect(after).not.toEqual(before)
  })

  // test:all tries every write; this tries some before the journal is valid, and some after.
  const step = process.env['EVERY_WRITE'] === undefined ? 7 : 1
  test('at each of them', { timeout: 600_000 }, () => {
    let killed = 0
    let finished = 0
    const made = service()
    for (let at = 1; ; at += step) {
      const { code } = update(newer, made, [], { NODE_OPTIONS: killerAt(at, 'my-service', folder) })
      // The run ended before that write.
      if (code !== null) break
      killed++
      // After the last file only the lock is removed.
      const isComplete =
        !existsSync(join(made, '.data/pending')) && existsSync(join(made, '.data/update/last'))
      const next = isComplete ? undefined : update(newer, made, ['--json'])
      if (next !== undefined) {
        expect(next, next.err).toMatchObject({ code: 0 })
        if (resultOf(next).state === 'finished') finished++
      }
      expect(filesOf(made), `killed at ${at}`).toEqual(after)
      expect(update(newer, made, ['--abort'])).toMatchObject({ code: 0 })
      expect(filesOf(made)).toEqual(before)
      expect(git(made, 'status', '--porcelain')).toBe('')
    }
    // The points are before and after the moment at which the journal becomes valid.
    expect(finished).toBeGreaterThan(0)
    expect(killed).toBeGreaterThan(finished)
  })
})

test('a failed install that git does not let it undo is reported, and --abort undoes it later', () => {
  const manifest = 'service/package.json'
  const raised = templateOf(manifest).replace(/"hono": "[^"]+"/, '"hono": "^4.99.0"')
  const [from, to] = [packageOf('0.3.0'), packageOf('0.5.0', { [manifest]: raised })]
  const made = created(from, '--no-example')
  commit(made)
  const before = filesOf(made)
  const programs = mkdtempSync(join(folder, 'programs-'))
  // Like an editor that stages changes.
  const npm = '#!/bin/sh\ngit add package.json\n: > .git/index.lock\nexit 1\n'
  writeFileSync(join(programs, 'npm'), npm, { mode: 0o755 })
  const { code, err } = update(to, made, [], { PATH: `${programs}:${process.env['PATH']}` })
  expect(err).toMatch(
    /npm install failed \(exit code 1\), and git refuses, fatal: .*index\.lock.*: fix that first/,
  )
  expect(err).toContain(': the update is written, and update --abort undoes it')
  expect(code).toBe(1)
  rmSync(join(made, '.git/index.lock'))
  expect(update(to, made, ['--abort'])).toMatchObject({ code: 0, err: '' })
  expect(filesOf(made)).toEqual(before)
  expect(git(made, 'status', '--porcelain')).toBe('')
})

describe('random edits', () => {
  test('each line of ours survives, or is in a conflict', () => {
    const random = randomFrom(7)
    const names = Array.from({ length: 200 }, (_, number) => `docs/random/${number}.txt`)
    const text = (): string[] => Array.from({ length: 12 }, () => `common ${random(6)}`)
    const bases = names.map(text)
    const edited = (lines: readonly string[], who: string): string[] =>
      lines.flatMap((line, index) => {
        const dice = random(6)
        if (dice === 0) return [`${who} ${index} ${random(1_000_000)}`]
        if (dice === 1) return [line, `${who} ${index} ${random(1_000_000)}`]
        return dice === 2 ? [] : [line]
      })
    const templates = (side: readonly string[][]): Record<string, string> =>
      Object.fromEntries(
        names.map((name, index) => [`service/${name}`, `${(side[index] ?? []).join('\n')}\n`]),
      )
    const theirs = bases.map((lines) => edited(lines, 'theirs'))
    const [from, to] = [packageOf('0.3.0', templates(bases)), packageOf('0.5.0', templates(theirs))]
    const made = created(from, '--no-example')
    commit(made)
    const ours = bases.map((lines) => edited(lines, 'ours'))
    for (const [index, name] of names.entries())
      writeFileSync(join(made, name), `${(ours[index] ?? []).join('\n')}\n`)
    commit(made)

    const updated = update(to, made, ['--json'])
    expect(updated.code).toBe(3)
    const marked = resultOf(updated).files.filter(({ change }) => change === 'conflict')
    expect(marked.length).toBeGreaterThan(20)
    expect(marked.length).toBeLessThan(names.length)
    for (const [index, name] of names.entries()) {
      const merged = readFileSync(join(made, name), 'utf8').split('\n')
      for (const [who, side] of [
        ['ours', ours],
        ['theirs', theirs],
      ] as const)
        for (const line of (side[index] ?? []).filter((one) => one.startsWith(who)))
          expect(merged, name).toContain(line)
    }
  })
})

describe('refused, and nothing is written', () => {
  const made = { path: '' }
  beforeAll(() => {
    made.path = service()
  })

  test.each([
    ['changed and not committed', 'Dockerfile', 'is changed and not committed'],
    ['in the way and not in git', third, 'is not in git and would change'],
    ['with markers', 'docs/lines.txt', ''],
  ])('a file that is %s', (_, path, why) => {
    const full = join(made.path, path)
    const known = existsSync(full)
    writeFileSync(full, 'mine\n')
    if (why === '') {
      writeFileSync(full, '<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n')
      commit(made.path)
    }
    const before = filesOf(made.path)
    const { code, err } = update(newer, made.path)
    expect(err).toContain(why === '' ? 'holds conflict markers' : why)
    expect(code).toBe(1)
    expect(filesOf(made.path)).toEqual(before)
    if (why === '') git(made.path, 'checkout', '--quiet', 'HEAD~1', '--', path)
    else if (known) git(made.path, 'checkout', '--quiet', '--', path)
    else rmSync(full)
    commit(made.path)
  })

  test('a service that is newer, one without a record, no service, flags that do not go together', () => {
    const newest = created(newer, '--no-example')
    expect(update(older, newest)).toMatchObject({
      code: 1,
      err: expect.stringContaining('which is older') as string,
    })
    rmSync(join(newest, '.mainstem.json'))
    expect(update(newer, newest)).toMatchObject({
      code: 1,
      err: expect.stringContaining('update --adopt') as string,
    })
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    expect(update(newer, empty).err).toContain('holds no package.json')
    expect(update(newer, empty, ['--abort', '--check']).err).toContain('exclude each other')
    expect(update(newer, empty, ['--chekc']).err).toContain("Unknown option '--chekc'")
  })

  test('--check says 2 while the service is behind, and 0 afterwards; --dry-run writes nothing', () => {
    const one = service()
    const before = filesOf(one)
    expect(update(newer, one, ['--check'])).toMatchObject({ code: 2 })
    expect(update(newer, one, ['--dry-run']).out).toContain('docs/third.txt')
    expect(filesOf(one)).toEqual(before)
    expect(update(newer, one)).toMatchObject({ code: 0 })
    expect(update(newer, one, ['--check'])).toMatchObject({ code: 0 })
    expect(existsSync(join(one, second))).toBe(false)
  })

  test('without git or a registry it merges two ways, and says so; --abort works there too', () => {
    const one = created(older, '--no-example')
    writeFileSync(join(one, 'docs/lines.txt'), numbers().replace('line 7\n', 'ours\n'))
    const before = filesOf(one)
    const { code, out } = update(newer, one)
    expect(out).toContain('the original text is not known, so every difference is marked')
    expect(code).toBe(3)
    expect(update(newer, one, ['--abort'])).toMatchObject({ code: 0 })
    expect(filesOf(one)).toEqual(before)
  })

  test('in a larger repository it looks only at the service', () => {
    const one = created(older, '--no-example')
    const around = join(one, '..')
    git(around, 'init', '--quiet')
    git(around, 'add', '--all')
    git(around, 'commit', '--quiet', '--message', 'state')
    writeFileSync(join(around, 'neighbour.txt'), 'mine')
    writeFileSync(join(one, 'docs/lines.txt'), numbers().replace('line 7\n', 'ours\n'))
    git(around, 'commit', '--quiet', '--all', '--message', 'edit')
    expect(update(newer, one)).toMatchObject({ code: 3 })
    expect(git(one, 'show', ':1:./docs/lines.txt')).toBe(numbers())
    expect(readFileSync(join(around, 'neighbour.txt'), 'utf8')).toBe('mine')
    expect(git(around, 'status', '--porcelain', 'neighbour.txt')).toBe('?? neighbour.txt\n')
  })
})

/** Park and Miller's minimal standard generator. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below
}
