import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pieces } from '../../templates/service/generators/engine/pieces.ts'
import { add, command, newService, startAdd, treeOf } from '../support/added-service.ts'
import { converse } from '../support/processes.ts'

describe('npm run add explains its use', () => {
  const service = newService

  test('--list prints each piece on one line', async () => {
    const { code, out } = await add(service(), '--list')
    expect(code).toBe(0)
    expect(out).toMatch(/^route +one endpoint /)
    expect(out.trimEnd().split('\n')).toHaveLength(pieces.length)
  })

  test('--list --json prints them as JSON, and nothing else', async () => {
    const { code, out } = await add(service(), '--list', '--json')
    expect(code).toBe(0)
    const listed = JSON.parse(out) as object[]
    expect(listed).toHaveLength(pieces.length)
    expect(listed[0]).toMatchObject({ name: 'route', flags: ['method', 'path'] })
  })

  test('with --json a failure is JSON too, beside its sentence', async () => {
    for (const args of [['--nope'], ['route'], ['gadget', 'x'], ['--merge-record']]) {
      const { code, out, err } = await add(service(), ...args, '--json')
      expect(code).toBe(1)
      expect(`${(JSON.parse(out) as { error: string }).error}\n`).toBe(err)
    }
  })

  test('-h and the word help mean --help', async () => {
    const whole = await add(service(), '--help')
    expect(await add(service(), '-h')).toEqual(whole)
    expect(await add(service(), 'help')).toEqual(whole)
    expect(await add(service(), 'help', 'route')).toEqual(await add(service(), 'route', '--help'))
  })

  test('fields after the name are refused, and the message says where they belong', async () => {
    const { code, err } = await add(service(), 'resource', 'invoice', 'title:text')
    expect(code).toBe(1)
    expect(err).toContain('npm run add -- resource <name> --fields "title:text"')
  })

  test('--help shows which flags need a value, and so does a flag without one', async () => {
    const { out } = await add(service(), 'resource', '--help')
    expect(out).toMatch(/^npm run add -- resource <name> \[--plural …\] \[--fields …\] \[--owned\]$/m)
    const missing = '--method needs a value: npm run add -- route --help lists the flags.\n'
    expect((await add(service(), 'route', 'status', '--method')).err).toBe(missing)
    expect((await add(service(), 'route', 'status', '--method', '--path', '/x')).err).toBe(missing)
  })

  test('no line of a --help or of --list is longer than a terminal', async () => {
    const texts = [['--help'], ['--list'], ...pieces.map(({ name }) => [name, '--help'])]
    for (const words of texts) {
      const { out } = await add(service(), ...words)
      expect(out.split('\n').filter((line) => line.length > 80)).toEqual([])
    }
  })

  test.each(['README.md', 'AGENTS.md', 'docs/generators.md'])('%s names every piece', (page) => {
    const text = treeOf(service()).get(page) ?? ''
    const missing = pieces.filter(({ name }) => !new RegExp(`(?:add -- |\`)${name}\\b`).test(text))
    expect(missing.map(({ name }) => name)).toEqual([])
  })

  test('<piece> --help explains its flags, with examples that work', async () => {
    const place = service()
    const { code, out } = await add(place, 'route', '--help')
    expect(code).toBe(0)
    expect(out).toContain('  --path    Path, such as /reports/:id. Default: /<name>\n')
    const examples = Array.from(out.matchAll(/^ {2}npm run add -- (.*)$/gm), ([, words = '']) => words)
    expect(examples.length).toBeGreaterThan(1)
    for (const words of examples) expect((await add(place, ...words.split(' '), '--dry-run')).code).toBe(0)
  })
})

test('a leading --, which pnpm and Yarn pass on, is dropped', () => {
  const service = newService()
  expect(startAdd(service, '--', 'route', 'status', '--yes')).toMatchObject({ code: 0, err: '' })
  expect(treeOf(service).get('src/routes.ts')).toContain('...statusRoutes(platform)')
  const config = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/pages/config.ts', '--', '--json'], {
    cwd: service,
    encoding: 'utf8',
  })
  expect(JSON.parse(config.stdout)).toContainEqual(expect.objectContaining({ variable: 'PORT' }))
})

test('a path in place of a route’s name is refused, and the message says where it belongs', async () => {
  const { code, err } = await add(newService(), 'route', '/admin/users')
  expect(err).toBe(
    '"/admin/users" is a path: give the route a name, such as admin-users, and then its path, as --path /admin/users.\n',
  )
  expect(code).toBe(1)
})

test('a plan lists the new variables, but not the realigned rows of the table', async () => {
  const { out } = await add(newService(), 'client', 'payments', '--base-url', 'https://payments.example.com')
  const [, page = ''] = /^ {2}~ README\.md\n((?: {6}.*\n)*)/m.exec(out) ?? []
  expect(page).toBe(
    '      + | `PAYMENTS_URL` | `https://payments.example.com` | http://host:port/path | address of payments |\n',
  )
})

test('it names the routes that a piece serves, by their paths', async () => {
  const { out } = await add(newService(), 'upload', 'photo')
  expect(out).toContain(
    'New routes: /photos (POST, GET), /photos/:id (GET, DELETE), /photos/:id/content (GET); see /docs\n',
  )
})

test('a flag that is given twice is refused: one of the two values would be lost', async () => {
  const { code, err } = await add(
    newService(),
    'resource',
    'bill',
    '--fields',
    'a:text',
    '--fields',
    'b:text',
  )
  expect(err).toBe('--fields is given twice: give all fields in one, separated by commas.\n')
  expect(code).toBe(1)
})

test('for a word that is one or two letters off, the message suggests the right one', async () => {
  const service = newService()
  expect((await add(service, 'Routes', 'x')).err).toMatch(
    /^There is no piece "Routes" \(did you mean route\?\): choose one/,
  )
  expect((await add(service, 'rote', 'x')).err).toMatch(/\(did you mean route\?\)/)
  expect((await add(service, 'crud', 'x')).err).toMatch(/^There is no piece "crud": choose one/)
  expect((await add(service, 'resource', 'bill', '--field', 'a:text')).err).toBe(
    "Unknown option '--field' (did you mean --fields?): npm run add -- resource --help lists the flags.\n",
  )
  // Not --cron, which is close and belongs to one piece.
  expect((await add(service, '--wrong')).err).toMatch(
    /^Unknown option '--wrong': write npm run add -- <piece> \[name\] \[flags\], with one of the pieces route, .*, auth\.\n$/,
  )
  expect((await add(service, 'route', 'x', '--wrong')).err).toBe(
    "Unknown option '--wrong': npm run add -- route --help lists the flags.\n",
  )
  expect((await add(service, '--lst')).err).toContain('(did you mean --list?)')
  expect((await add(service, 'resource', 'bill', '--colour', 'red')).err).toBe(
    "Unknown option '--colour': npm run add -- resource --help lists the flags.\n",
  )
})

test('a flag that npm took for itself, because -- is missing, is refused', () => {
  const service = newService()
  const { status, stderr } = spawnSync(process.execPath, [...command, 'resource', 'bill', 'a:text'], {
    cwd: service,
    encoding: 'utf8',
    env: { ...process.env, npm_config_fields: 'true' },
  })
  expect(stderr).toBe('npm took --fields for itself: write -- first, as in npm run add -- resource …\n')
  expect(status).toBe(1)
})

describe('a piece that needs a package', () => {
  /** A service whose package manager is pnpm, and a pnpm in `bin` that records its arguments. */
  function serviceOfPnpm() {
    const service = newService()
    const bin = join(service, '.data/bin')
    mkdirSync(bin, { recursive: true })
    writeFileSync(
      join(bin, 'pnpm'),
      '#!/bin/sh\necho "$@" > "$(dirname "$0")/called"\nexit ${PNPM_FAILS:-0}\n',
    )
    chmodSync(join(bin, 'pnpm'), 0o755)
    writeFileSync(join(service, 'pnpm-lock.yaml'), '')
    const called = (): string => {
      try {
        return readFileSync(join(bin, 'called'), 'utf8').trim()
      } catch {
        return ''
      }
    }
    return { service, path: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, called }
  }

  function addStorage(
    { service, path }: ReturnType<typeof serviceOfPnpm>,
    flags: string[],
    env: NodeJS.ProcessEnv = {},
  ) {
    return spawnSync(process.execPath, [...command, 'storage', 's3', ...flags], {
      cwd: service,
      encoding: 'utf8',
      env: { ...process.env, PATH: path, ...env },
    })
  }

  test('without a terminal it says how to install it', async () => {
    const made = serviceOfPnpm()
    expect((await add(made.service, 'storage', 's3')).out).toContain('Next: pnpm install, pnpm test\n')
    expect(made.called()).toBe('')
  })

  test('--install installs it with the package manager of the lock file', () => {
    const made = serviceOfPnpm()
    expect(addStorage(made, ['--install'])).toMatchObject({ status: 0 })
    expect(made.called()).toBe('install')
  })

  test('an installation that fails is reported, and what was added stays', () => {
    const made = serviceOfPnpm()
    const { status, stderr } = addStorage(made, ['--install'], { PNPM_FAILS: '3' })
    expect(stderr).toBe('The code is added, but pnpm install failed (exit code 3): run it again.\n')
    expect(status).toBe(1)
    expect(treeOf(made.service).get('package.json')).toContain('@aws-sdk/client-s3')
  })

  test.each([
    ['y', 'install'],
    ['n', ''],
  ])('in a terminal it asks: %s', async (answer, called) => {
    const made = serviceOfPnpm()
    const line = `PATH=${made.path} ${process.execPath} ${command.join(' ')} storage s3`
    const { code } = await converse(made.service, line, [[/Run pnpm install\?/, `${answer}\r`]])
    expect(code).toBe(0)
    expect(made.called()).toBe(called)
  })
})
