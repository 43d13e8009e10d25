import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { UpdateResult } from '../../generator/update/result.ts'
import {
  changeOf,
  commit,
  created,
  filesOf,
  folder,
  git,
  packageOf,
  resultOf,
  update,
  type Updated,
} from '../support/versions.ts'

/** A file in the old template, as the team left it, and in the new template; undefined: there is none. */
interface Case {
  readonly old: string | Buffer | undefined
  readonly ours: string | Buffer | undefined
  readonly theirs: string | Buffer | undefined
  readonly change: string | undefined
  readonly text: string | Buffer | undefined
}

const binary = (last: number): Buffer => Buffer.from([0, 255, 1, last])

const cases: Readonly<Record<string, Case>> = {
  unmodified: { old: 'a\nb\n', ours: 'a\nb\n', theirs: 'a\nc\n', change: 'updated', text: 'a\nc\n' },
  'changed by the team': { old: 'a\n', ours: 'b\n', theirs: 'a\n', change: undefined, text: 'b\n' },
  'changed by both, in two places': {
    old: 'a\nb\nc\nd\n',
    ours: 'A\nb\nc\nd\n',
    theirs: 'a\nb\nc\nD\n',
    change: 'merged',
    text: 'A\nb\nc\nD\n',
  },
  'changed by both, in the same way': {
    old: 'a\n',
    ours: 'b\n',
    theirs: 'b\n',
    change: undefined,
    text: 'b\n',
  },
  'changed by both, in one place': {
    old: 'a\nb\nc\n',
    ours: 'a\nours\nc\n',
    theirs: 'a\ntheirs\nc\n',
    change: 'conflict',
    text: 'a\n<<<<<<< yours\nours\n||||||| 0.3.0\nb\n=======\ntheirs\n>>>>>>> 0.5.0\nc\n',
  },
  'deleted by the team': { old: 'a\n', ours: undefined, theirs: 'a\n', change: undefined, text: undefined },
  'deleted by the team, changed by the template': {
    old: 'a\n',
    ours: undefined,
    theirs: 'b\n',
    change: 'left',
    text: undefined,
  },
  'deleted by the template': {
    old: 'a\n',
    ours: 'a\n',
    theirs: undefined,
    change: 'deleted',
    text: undefined,
  },
  'deleted by the template, edited by the team': {
    old: 'a\n',
    ours: 'b\n',
    theirs: undefined,
    change: 'conflict',
    text: 'b\n',
  },
  'deleted by both': { old: 'a\n', ours: undefined, theirs: undefined, change: undefined, text: undefined },
  'added by the template': { old: undefined, ours: undefined, theirs: 'a\n', change: 'added', text: 'a\n' },
  'added by both, the same': { old: undefined, ours: 'a\n', theirs: 'a\n', change: undefined, text: 'a\n' },
  'added by both, different': {
    old: undefined,
    ours: 'a\nours\n',
    theirs: 'a\ntheirs\n',
    change: 'conflict',
    text: 'a\n<<<<<<< yours\nours\n||||||| 0.3.0\n=======\ntheirs\n>>>>>>> 0.5.0\n',
  },
  'a binary, unmodified': {
    old: binary(1),
    ours: binary(1),
    theirs: binary(2),
    change: 'updated',
    text: binary(2),
  },
  'a binary, changed by both': {
    old: binary(1),
    ours: binary(2),
    theirs: binary(3),
    change: 'conflict',
    text: binary(2),
  },
  'a binary in place of a text, changed by both': {
    old: 'a\n',
    ours: 'b\n',
    theirs: binary(3),
    change: 'conflict',
    text: 'b\n',
  },
  'lines that end with CRLF': {
    old: 'a\nb\nc\nd\n',
    ours: 'A\r\nb\r\nc\r\nd\r\n',
    theirs: 'a\nb\nc\nD\n',
    change: 'merged',
    text: 'A\r\nb\r\nc\r\nD\r\n',
  },
  'CRLF alone is not a change': {
    old: 'a\nb\n',
    ours: 'a\r\nb\r\n',
    theirs: 'a\nc\n',
    change: 'updated',
    text: 'a\r\nc\r\n',
  },
  'a last line without its end': {
    old: 'a\nb\nc',
    ours: 'A\nb\nc',
    theirs: 'a\nb\nc\nd',
    change: 'merged',
    text: 'A\nb\nc\nd',
  },
  'Ünïcode 🌊': {
    old: 'ä\nb\nü\n',
    ours: 'ä!\nb\nü\n',
    theirs: 'ä\nb\n🌊\n',
    change: 'merged',
    text: 'ä!\nb\n🌊\n',
  },
  'a page that the team has written anew': {
    old: page('Old'),
    ours: '# Ours\n\nAsk us.\n',
    theirs: page('New'),
    change: 'left',
    text: '# Ours\n\nAsk us.\n',
  },
  'a text too long to be merged here': {
    old: long('b'),
    ours: long('b').replace('first', 'ours'),
    theirs: long('b').replace('last', 'theirs'),
    change: 'merged',
    text: long('b').replace('first', 'ours').replace('last', 'theirs'),
  },
}

function page(title: string): string {
  return [title, ...Array.from({ length: 20 }, (_, line) => `${title} ${line}.`), ''].join('\n')
}

function long(line: string): string {
  return ['first', ...Array.from({ length: 6_000 }, () => line), 'last', ''].join('\n')
}

const pathOf = (name: string): string => `docs/cells/${name}/page.${name.startsWith('a page') ? 'md' : 'txt'}`

function templatesOf(side: 'old' | 'theirs'): Record<string, string | Buffer> {
  const files: Record<string, string | Buffer> = {
    'service/docs/script.sh': '#!/bin/sh\n',
    'service/docs/linked.txt': side,
    'service/docs/behind/linked.txt': side,
    'service/docs/folder.txt': side,
  }
  for (const [name, one] of Object.entries(cases)) {
    const text = one[side]
    if (text !== undefined) files[`service/${pathOf(name)}`] = text
  }
  return files
}

let older: string
let newer: string
let service: string
let outside: string
let before: Record<string, string>
let updated: Updated
let result: UpdateResult

beforeAll(() => {
  older = packageOf('0.3.0', templatesOf('old'))
  newer = packageOf('0.5.0', templatesOf('theirs'), ['service/docs/script.sh'])
  outside = join(folder, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'linked.txt'), 'not ours')
  service = created(older, '--no-example')
  commit(service)
  for (const [name, { ours }] of Object.entries(cases)) {
    const path = join(service, pathOf(name))
    rmSync(path, { force: true })
    if (ours === undefined) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, ours)
  }
  for (const path of ['docs/linked.txt', 'docs/behind', 'docs/folder.txt'])
    rmSync(join(service, path), { recursive: true })
  symlinkSync(join(outside, 'linked.txt'), join(service, 'docs/linked.txt'))
  symlinkSync(outside, join(service, 'docs/behind'))
  mkdirSync(join(service, 'docs/folder.txt'))
  writeFileSync(join(service, 'docs/folder.txt/kept'), 'a')
  // CRLF must reach the disk as it is.
  writeFileSync(join(service, '.gitattributes'), '* -text\n')
  commit(service)
  before = filesOf(service)
  updated = update(newer, service, ['--json'])
  result = resultOf(updated)
})

test('conflicts are left, so the exit code is 3', () => {
  expect(updated.code).toBe(3)
  expect(result).toMatchObject({ from: '0.3.0', to: '0.5.0', state: 'conflicts', installed: false })
})

describe('each cell of the table', () => {
  test.each(Object.entries(cases))('%s', (name, { change, text }) => {
    expect(changeOf(result, pathOf(name))).toBe(change)
    const path = join(service, pathOf(name))
    expect(existsSync(path) ? readFileSync(path).toString('latin1') : undefined).toBe(
      text === undefined ? undefined : Buffer.from(text).toString('latin1'),
    )
    // A folder that is empty now is removed too.
    if (change === 'deleted') expect(existsSync(dirname(path))).toBe(false)
  })

  test('a file becomes executable with the template', () => {
    expect(statSync(join(service, 'docs/script.sh')).mode & 0o111).not.toBe(0)
  })

  test.each(['docs/linked.txt', 'docs/behind/linked.txt', 'docs/folder.txt'])(
    '%s stays unchanged',
    (path) => {
      expect(changeOf(result, path)).toBe('left')
      expect(lstatSync(join(service, 'docs/linked.txt')).isSymbolicLink()).toBe(true)
      expect(readFileSync(join(outside, 'linked.txt'), 'utf8')).toBe('not ours')
      expect(readFileSync(join(service, 'docs/folder.txt/kept'), 'utf8')).toBe('a')
    },
  )
})

test('git has the three sides of every conflict', () => {
  const path = pathOf('changed by both, in one place')
  for (const [number, text] of [
    [1, 'a\nb\nc\n'],
    [2, 'a\nours\nc\n'],
    [3, 'a\ntheirs\nc\n'],
  ] as const)
    expect(git(service, 'show', `:${number}:${path}`)).toBe(text)
  const unmerged = git(service, '-c', 'core.quotePath=false', 'diff', '--name-only', '--diff-filter=U')
    .trim()
    .split('\n')
  const conflicts = Object.keys(cases).filter((name) => cases[name]?.change === 'conflict')
  expect(unmerged.sort()).toEqual(conflicts.map(pathOf).sort())
})

test('no second update before the conflicts are resolved, with git or without', () => {
  const again = update(newer, service)
  expect(again.err).toContain('not merged: resolve that and commit, then update')
  expect(again.code).toBe(1)
  expect(update(newer, service, ['--check']).code).toBe(3)
})

test('--abort restores every byte, and the index', () => {
  writeFileSync(join(service, pathOf('unmodified')), 'edited since\n')
  const aborted = update(newer, service, ['--abort'])
  expect(aborted.code).toBe(0)
  expect(filesOf(service)).toEqual(before)
  expect(git(service, 'status', '--porcelain')).toBe('')
  expect(aborted.out).toContain('had changed since the update: a copy is in .data/update/aborted')
  expect(readFileSync(join(service, '.data/update/aborted', pathOf('unmodified')), 'utf8')).toBe(
    'edited since\n',
  )
  const twice = update(newer, service, ['--abort'])
  expect(twice).toMatchObject({ code: 1, err: 'create-mainstem: there is no update to undo\n' })
})
