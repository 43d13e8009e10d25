/** `update` in a repository that git refuses to read, or in which an operation is under way. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { commit, created, filesOf, folder, git, packageOf, resultOf, update } from '../support/versions.ts'

let older: string
let newer: string
let made: string
beforeAll(() => {
  const path = 'service/docs/first.txt'
  older = packageOf('0.3.0', { [path]: 'a\n' })
  newer = packageOf('0.5.0', { [path]: 'b\n' })
  made = created(older, '--no-example')
  commit(made)
})

function refused(why: string, env: NodeJS.ProcessEnv = {}): void {
  const before = filesOf(made)
  const { code, err } = update(newer, made, [], env)
  expect(err).toContain(why)
  expect(code).toBe(1)
  expect(filesOf(made)).toEqual(before)
}

test("a repository of another user is refused with git's message", () => {
  const foreign = {
    GIT_TEST_ASSUME_DIFFERENT_OWNER: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
  }
  refused('git refuses, fatal: detected dubious ownership in repository', foreign)
  // Git's further lines say how to fix it.
  expect(update(newer, made, [], foreign).err).toContain('git config --global --add safe.directory')
})

test('a repository without a git to read it is refused; a service in no repository is not', () => {
  refused('and git is not installed', { PATH: '/nowhere' })
  const alone = created(older, '--no-example')
  expect(update(newer, alone, [], { PATH: '/nowhere' })).toMatchObject({ code: 0 })
})

test('a repository that git cannot read is refused', () => {
  const head = join(made, '.git/HEAD')
  rmSync(head)
  refused('git refuses, fatal: not a git repository')
  writeFileSync(head, 'ref: refs/heads/main\n')
  const index = execFileSync('cat', [join(made, '.git/index')])
  writeFileSync(join(made, '.git/index'), 'damaged')
  refused('git refuses, fatal: .git/index: index file smaller than expected')
  writeFileSync(join(made, '.git/index'), index)
})

test('a locked index is refused', () => {
  const lock = join(made, '.git/index.lock')
  writeFileSync(lock, '')
  refused("git's index is locked")
  rmSync(lock)
})

test.each([
  ['merge', ['merge', '--no-ff', '--no-commit', 'side'], 'a merge'],
  ['cherry-pick', ['cherry-pick', '--no-commit', 'clash'], 'a cherry-pick'],
  ['revert', ['revert', '--no-commit', 'HEAD'], 'a revert'],
  ['rebase', ['rebase', '--exec', 'false', 'HEAD~1'], 'a rebase'],
] as const)('%s under way is refused, even if no file differs', (operation, args, what) => {
  if (!existsSync(join(made, '.git/refs/heads/side'))) {
    // With a message of its own, because two equal commits in one second would have one id.
    git(made, 'checkout', '--quiet', '-b', 'side')
    git(made, 'commit', '--quiet', '--allow-empty', '--message', 'side')
    git(made, 'checkout', '--quiet', 'main')
    for (const message of ['clash', 'main'])
      git(made, 'commit', '--quiet', '--allow-empty', '--message', message)
    git(made, 'branch', 'clash', 'main~1')
  }
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.com']
  spawnSync('git', [...identity, ...args], { cwd: made })
  if (operation === 'cherry-pick')
    writeFileSync(join(made, '.git/CHERRY_PICK_HEAD'), git(made, 'rev-parse', 'clash'))
  refused(`${what} is under way in git: finish or abort it, then update`)
  git(made, operation, '--abort')
})

test('a git that Ctrl-C stops does not count as a refusal', () => {
  const programs = mkdtempSync(join(folder, 'programs-'))
  writeFileSync(join(programs, 'git'), '#!/bin/sh\nkill -INT $$\n', { mode: 0o755 })
  refused('git was stopped by SIGINT: run this again', { PATH: `${programs}:${process.env['PATH']}` })
})

test('--abort unstages what the user has staged of the update', () => {
  const service = created(older, '--no-example')
  writeFileSync(join(service, 'docs/[first].txt'), 'a\n')
  commit(service)
  const named = packageOf('0.5.0', { 'service/docs/first.txt': 'b\n', 'service/docs/[first].txt': 'b\n' })
  expect(update(named, service)).toMatchObject({ code: 3 })
  git(service, 'add', '--all')
  expect(update(named, service, ['--abort'])).toMatchObject({ code: 0 })
  expect(git(service, 'status', '--porcelain')).toBe('')
})

test("the user's git settings change nothing", () => {
  const service = created(older, '--no-example')
  git(service, 'init', '--quiet', '--object-format=sha256')
  git(service, 'add', '--all')
  git(service, 'commit', '--quiet', '--message', 'Create my-service with create-mainstem 0.3.0')
  const record = join(service, '.mainstem.json')
  const before = readFileSync(record, 'utf8')
  rmSync(record)
  writeFileSync(join(service, 'docs/first.txt'), 'ours\n')
  commit(service)
  const settings = join(folder, 'gitconfig')
  writeFileSync(settings, hostile)
  const env = { GIT_CONFIG_GLOBAL: settings }
  expect(update(older, service, ['--adopt'], env)).toMatchObject({ code: 0, err: '' })
  expect(readFileSync(record, 'utf8')).toBe(before)
  commit(service)
  const updated = update(newer, service, ['--json'], env)
  expect(resultOf(updated).files).toEqual([
    { path: 'docs/first.txt', change: 'conflict', why: ['1 place that both changed is marked'] },
  ])
  git(service, 'add', '--all')
  expect(update(newer, service, ['--abort'], env)).toMatchObject({ code: 0, err: '' })
  expect(git(service, 'status', '--porcelain')).toBe('')
})

const hostile = `[color]\nui = always\n[core]\nabbrev = 4\n[diff]\nexternal = false\nrelative = true\nrenames = copies
[grep]\npatternType = fixed\n[log]\nfollow = true\nshowRoot = false\ndecorate = full\n[status]\nbranch = true
showUntrackedFiles = no\n`

test('--check needs no git', () => {
  expect(update(newer, made, ['--check'], { PATH: '/nowhere' })).toMatchObject({ code: 2 })
})

test('another worktree of the repository may have a rebase under way', () => {
  // A worktree keeps its state in a folder of its own.
  const beside = join(made, '../beside')
  git(made, 'worktree', 'add', '--quiet', '-b', 'beside', beside)
  mkdirSync(join(made, '.git/worktrees/beside/rebase-merge'))
  expect(update(newer, made)).toMatchObject({ code: 0 })
})
