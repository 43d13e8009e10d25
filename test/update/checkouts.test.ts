/** Services in other kinds of checkouts and folders than a plain clone. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  changeOf,
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

const lines = (...changed: readonly string[]): string =>
  Array.from({ length: 9 }, (_, line) => `${changed[line] ?? `line ${line}`}\n`).join('')

let older: string
let newer: string
beforeAll(() => {
  older = packageOf('0.3.0', {
    'service/docs/lines.txt': lines(),
    'service/docs/both.txt': 'a\n',
    'service/docs/Cased.txt': 'a\n',
    'service/extra/one.txt': 'a\n',
    'service/extra/two.txt': 'a\n',
  })
  newer = packageOf('0.5.0', {
    'service/docs/lines.txt': lines('theirs'),
    'service/docs/both.txt': 'theirs\n',
    'service/docs/Cased.txt': 'theirs\n',
    'service/docs/New.txt': 'theirs\n',
    'service/extra/one.txt': 'theirs\n',
    'service/extra/two.txt': 'a\n',
    'service/extra/deep/three.txt': 'theirs\n',
  })
})

/** A service that the team has edited, with the commit of its creation. */
function edited(): string {
  const service = created(older, '--no-example')
  commit(service)
  writeFileSync(join(service, 'docs/lines.txt'), lines('line 0', ...Array<string>(7), 'ours'))
  commit(service)
  return service
}

const merged = lines('theirs', ...Array<string>(7), 'ours')

function textIn(service: string, path: string): string {
  return readFileSync(join(service, path), 'utf8')
}

describe('merges as in a plain clone', () => {
  test.each([
    ['a worktree', (from, to) => git(from, 'worktree', 'add', '--quiet', to)],
    ['a worktree of a detached HEAD', (from, to) => git(from, 'worktree', 'add', '--quiet', '--detach', to)],
    ['a clone', (from, to) => git(from, 'clone', '--quiet', from, to)],
    [
      'a checkout with CRLF by core.autocrlf',
      (from, to) => {
        rmSync(join(from, '.gitattributes'))
        commit(from)
        execFileSync('git', ['clone', '--quiet', '--config', 'core.autocrlf=true', from, to])
        expect(textIn(to, 'docs/both.txt')).toBe('a\r\n')
      },
    ],
  ] satisfies [string, (from: string, to: string) => unknown][])('%s', (_, make) => {
    const from = edited()
    const service = join(from, '../other/my-service')
    mkdirSync(join(from, '../other'))
    make(from, service)
    const updated = update(newer, service)
    expect(updated, updated.err).toMatchObject({ code: 0 })
    expect(textIn(service, 'docs/lines.txt').replaceAll('\r\n', '\n')).toBe(merged)
    expect(update(newer, service, ['--abort'])).toMatchObject({ code: 0 })
    expect(execFileSync('git', ['status', '--porcelain'], { cwd: service, encoding: 'utf8' })).toBe('')
  })
})

test('a shallow clone lacks what was emitted, and says so', () => {
  const from = edited()
  const service = join(from, '../my-clone')
  git(from, 'clone', '--quiet', '--depth=1', `file://${from}`, service)
  const updated = update(newer, service)
  expect(updated.out).toContain('the original text is not known, so every difference is marked')
  expect(updated.code).toBe(3)
})

test('--from finds what was emitted for an older package manager', { timeout: 300_000 }, () => {
  const pnpm = (version: string): { PATH: string } => {
    const programs = mkdtempSync(join(folder, 'programs-'))
    writeFileSync(join(programs, 'pnpm'), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 })
    return { PATH: `${programs}:${process.env['PATH']}` }
  }
  const service = join(mkdtempSync(join(folder, 'service-')), 'my-service')
  const flags = ['--yes', '--no-install', '--no-git', '--no-example', '--pm', 'pnpm']
  const env = { ...process.env, ...pnpm('12.1.0') }
  execFileSync(process.execPath, [join(older, 'dist/bin.js'), service, ...flags], { env })
  // It is in no commit.
  const docker = textIn(service, 'Dockerfile')
  writeFileSync(join(service, 'Dockerfile'), `${docker}# Ours.\n`)
  commit(service)
  const changed = packageOf('0.5.0', {
    'managers/pnpm/Dockerfile': `# Theirs.\n${templateOf('managers/pnpm/Dockerfile')}`,
  })
  execFileSync('npm', ['pack', '--ignore-scripts', '--workspaces=false', '--silent'], { cwd: older })
  const tarball = join(older, 'create-mainstem-0.3.0.tgz')
  const updated = update(changed, service, ['--from', tarball], pnpm('12.9.0'))
  expect(updated, updated.err).toMatchObject({ code: 0 })
  expect(textIn(service, 'Dockerfile')).toBe(`# Theirs.\n${docker}# Ours.\n`)
})

test('a repository with ids of SHA-256 is merged and adopted as any other, and has the sides of a conflict in its index', () => {
  const service = created(older, '--no-example')
  git(service, 'init', '--quiet', '--object-format=sha256', '--initial-branch=main')
  git(service, 'add', '--all')
  git(service, 'commit', '--quiet', '--message', 'Create my-service with create-mainstem 0.3.0')
  writeFileSync(join(service, 'docs/lines.txt'), lines('line 0', ...Array<string>(7), 'ours'))
  writeFileSync(join(service, 'docs/both.txt'), 'ours\n')
  commit(service)
  const record = textIn(service, '.mainstem.json')
  rmSync(join(service, '.mainstem.json'))
  commit(service)
  expect(update(older, service, ['--adopt'])).toMatchObject({ code: 0, err: '' })
  expect(textIn(service, '.mainstem.json')).toBe(record)
  commit(service)
  const updated = update(newer, service)
  expect(updated.err).toBe('')
  expect(updated.code).toBe(3)
  expect(textIn(service, 'docs/lines.txt')).toBe(merged)
  expect(git(service, 'show', ':2:docs/both.txt')).toBe('ours\n')
  expect(git(service, 'show', ':3:docs/both.txt')).toBe('theirs\n')
  // The record's SHA-1 would not find it there.
  const given = lines('theirs')
  const id = execFileSync('git', ['hash-object', '--stdin'], { cwd: service, input: given, encoding: 'utf8' })
  expect(git(service, 'cat-file', '--batch-all-objects', '--batch-check')).not.toContain(id.trim())
})

describe('left, with a message', () => {
  test('what lies in a submodule', () => {
    const service = edited()
    const own = mkdtempSync(join(folder, 'own-'))
    renameSync(join(service, 'docs'), join(own, 'docs'))
    commit(join(own, 'docs'))
    git(service, 'clone', '--quiet', join(own, 'docs'), 'docs')
    commit(service)
    const updated = update(newer, service, ['--json'])
    expect(updated.code).toBe(0)
    expect(changeOf(resultOf(updated), 'docs/lines.txt')).toBe('left')
    expect(updated.out).toContain('docs is a git repository of its own')
    expect(git(join(service, 'docs'), 'status', '--porcelain')).toBe('')
  })

  test('a file that the team has under a name that differs only in case', () => {
    const service = edited()
    git(service, 'mv', 'docs/Cased.txt', 'docs/cased.txt')
    writeFileSync(join(service, 'docs/new.txt'), 'ours\n')
    commit(service)
    const updated = update(newer, service, ['--json'])
    expect(updated.code).toBe(0)
    expect(updated.out).toContain('docs/Cased.txt is cased.txt here')
    expect(updated.out).toContain('docs/New.txt is new.txt here')
    for (const path of ['docs/Cased.txt', 'docs/New.txt']) expect(existsSync(join(service, path))).toBe(false)
    expect(textIn(service, 'docs/cased.txt')).toBe('a\n')
  })

  test('a new file in a folder that the team has deleted or renamed', () => {
    const service = edited()
    git(service, 'mv', 'extra', 'ours')
    commit(service)
    const updated = update(newer, service, ['--json'])
    expect(updated.code).toBe(0)
    expect(updated.out).toContain('the template has this new file; you deleted all of its files in extra/')
    expect(existsSync(join(service, 'extra'))).toBe(false)
    expect(update(newer, service, ['--restore', 'extra/deep/three.txt'])).toMatchObject({ code: 0 })
    expect(textIn(service, 'extra/deep/three.txt')).toBe('theirs\n')
  })
})

describe('refused, and nothing is written', () => {
  function refused(service: string, why: string): void {
    const before = filesOf(service)
    const { code, err } = update(newer, service)
    expect(err).toContain(why)
    expect(code).toBe(1)
    expect(filesOf(service)).toEqual(before)
  }

  test('a sparse checkout, in which files count as deleted; --check works there', () => {
    const service = edited()
    git(service, 'sparse-checkout', 'set', '--no-cone', '/*', '!/docs/both.txt')
    refused(service, 'a sparse checkout leaves out docs/both.txt')
    expect(update(newer, service, ['--check'])).toMatchObject({ code: 2 })
    git(service, 'sparse-checkout', 'disable')
    expect(update(newer, service)).toMatchObject({ code: 0 })
    expect(textIn(service, 'docs/both.txt')).toBe('theirs\n')
  })

  test('a record in which a merge by hand has left a key twice', () => {
    const service = edited()
    const record = join(service, '.mainstem.json')
    const text = readFileSync(record, 'utf8')
    writeFileSync(record, text.replace('  "version": "0.3.0",\n', '$&  "version": "0.4.0",\n'))
    commit(service)
    refused(
      service,
      '.mainstem.json has "version" twice in one place: while git merges, run npm run add -- --merge-record',
    )
  })
})

test.each([
  ['the service', '.', []],
  ['the service, for a dry run', '.', ['--dry-run']],
  ['a folder of it', 'docs', []],
])('without permission to write %s it says so in a sentence', (_, part, flags) => {
  const service = edited()
  // Root may write everywhere.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  if ('uid' in user) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, service])
  execFileSync('chmod', ['-R', 'a+rX', folder])
  chmodSync(join(service, part), 0o555)
  const env = { ...process.env, HOME: '/nonexistent', npm_config_offline: 'true' }
  const { status, stderr } = spawnSync(process.execPath, [join(newer, 'dist/bin.js'), 'update', ...flags], {
    cwd: service,
    env,
    ...user,
    encoding: 'utf8',
  })
  expect(stderr).toMatch(
    new RegExp(
      `^create-mainstem: ${join(service, part)}\\S* cannot be written \\(EACCES\\), so nothing was written: change that, and run this again\n$`,
    ),
  )
  expect(status).toBe(1)
  expect(textIn(service, 'docs/both.txt')).toBe('a\n')
})

test('a new file has the mode that the umask gives it', () => {
  const service = edited()
  const line = `umask 077 && exec "$0" "$1" update`
  execFileSync('sh', ['-c', line, process.execPath, join(newer, 'dist/bin.js')], { cwd: service })
  expect(statSync(join(service, 'docs/New.txt')).mode & 0o777).toBe(0o600)
  expect(statSync(join(service, 'docs/both.txt')).mode & 0o777).toBe(0o644)
})
