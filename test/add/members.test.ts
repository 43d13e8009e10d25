import { describe, expect, test } from 'vitest'
import { withMember } from '../../templates/service/generators/edit/members.ts'
import type { Member } from '../../templates/service/generators/engine/piece.ts'

const value: Member = {
  file: 'src/config.ts',
  within: 'config',
  name: 'payments',
  code: 'openPayments(url)',
  import: { name: 'openPayments', from: './payments.ts' },
}

const type: Member = {
  file: 'src/platform.ts',
  within: 'Platform',
  name: 'payments',
  code: 'Payments',
  import: { name: 'Payments', from: './payments.ts', type: true },
}

const imported = "import { openPayments } from './payments.ts'\n"

describe('a property finds its place however the file is written', () => {
  test.each([
    [
      'an object',
      'const config = {\n  a: 1,\n}\n',
      'const config = {\n  a: 1,\n  payments: openPayments(url),\n}\n',
    ],
    ['one on a line', 'const config = { a: 1 }\n', 'const config = { a: 1, payments: openPayments(url) }\n'],
    ['an empty one', 'const config = {}\n', 'const config = {payments: openPayments(url)}\n'],
    [
      'what is made of one',
      'export const config = z.object({\n  a: f({ x: 1 }), // first\n}).strict()\n',
      'export const config = z.object({\n  a: f({ x: 1 }), // first\n  payments: openPayments(url),\n}).strict()\n',
    ],
    [
      'what a function returns',
      'function config() {\n  if (no) return { b: 2 }\n  return {\n    a: 1\n  }\n}\n',
      'function config() {\n  if (no) return { b: 2 }\n  return {\n    a: 1,\n    payments: openPayments(url),\n  }\n}\n',
    ],
    [
      'what a function calls by a name',
      'const config = () => {\n  const all = { a: 1 } as const\n  return all\n}\n',
      'const config = () => {\n  const all = { a: 1, payments: openPayments(url) } as const\n  return all\n}\n',
    ],
  ])('%s', (_name, before, after) => {
    expect(withMember(before, value)).toBe(`${imported}\n${after}`)
  })

  test.each([
    ['', '\n'],
    [';', '\r\n'],
  ])('an interface, its members ended with "%s"', (end, newline) => {
    const lines = (text: string[]): string => text.join(newline)
    const before = lines(['interface Platform {', `\treadonly log: Log${end} // of all`, '}', ''])
    expect(withMember(before, type)).toBe(
      lines([
        `import { type Payments } from './payments.ts'${end && ''}`,
        '',
        'interface Platform {',
        `\treadonly log: Log${end} // of all`,
        `\treadonly payments: Payments${end}`,
        '}',
        '',
      ]),
    )
  })

  test('an interface without members', () => {
    expect(withMember('interface Platform {}\n', type)).toContain(
      'interface Platform {\n  readonly payments: Payments\n}\n',
    )
  })
})

test('names of one module are imported by one statement', () => {
  const both = `${imported}interface Platform {\n  readonly log: Log\n}\n`
  expect(withMember(both, type)).toContain("import { openPayments, type Payments } from './payments.ts'\n")
})

test('an existing property is left unchanged, however it is formatted', () => {
  const there = `${imported}const config = {\n  a: 1,\n  payments: openPayments(\n    url,\n  ),\n}\n`
  expect(withMember(there, value)).toBe(there)
})

describe('an obstacle is reported in one sentence', () => {
  test.each([
    [
      'another of that name',
      `${imported}const config = { payments: 1 }\n`,
      'config in src/config.ts already has another payments',
    ],
    ['no such object', 'const other = {}\n', 'src/config.ts has no object or interface config'],
    ['no object', 'const config = 7\n', 'src/config.ts has no object or interface config'],
    [
      'the import is taken',
      "import { openPayments } from './other.ts'\nconst config = {}\n",
      'from ./other.ts: choose another name',
    ],
    [
      'the type is taken',
      'interface openPayments {}\nconst config = {}\n',
      'from the file itself: choose another name',
    ],
  ])('%s', (_name, text, sentence) => {
    expect(() => withMember(text, value)).toThrow(sentence)
  })

  test('a name that its code needs is missing', () => {
    const needs = { ...value, knows: ['url'] }
    expect(() => withMember('const config = {}\n', needs)).toThrow('src/config.ts has no url')
    for (const known of ['function url() {}', "import { url } from './variables.ts'"])
      expect(withMember(`${known}\nconst config = {}\n`, needs)).toContain('openPayments(url)')
  })
})
