/** Files in another form than emitted: lines that end with CRLF, links out of the service. */
import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { startAdd } from '../support/added-service.ts'
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

const main = 'service/src/main.ts'
const piece = 'service/generators/pieces/route/src/widget/widget.routes.ts'
const guarantee = 'service/test/guarantees/answers.test.ts'

let older: string
let newer: string
beforeAll(() => {
  older = packageOf('0.3.0')
  newer = packageOf('0.5.0', {
    [main]: `${templateOf(main)}// The end.\n`,
    [piece]: `${templateOf(piece)}// The end.\n`,
    [guarantee]: templateOf(guarantee).replace('Promise: ', 'Promise: still, '),
  })
})

/** A service with a route, which the team has changed. */
function grown(): string {
  const service = created(older, '--no-example')
  // Committed as by the create command, so that git has the emitted files.
  commit(service)
  expect(startAdd(service, 'route', 'report', '--method', 'POST')).toMatchObject({ code: 0 })
  for (const path of ['src/main.ts', 'src/report/report.routes.ts', 'docs/generators.md'])
    writeFileSync(join(service, path), `// Ours.\n${readFileSync(join(service, path), 'utf8')}`)
  commit(service)
  return service
}

function unix(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, text.replaceAll('\r\n', '\n')]),
  )
}

test('a checkout with CRLF is merged as one with LF, and keeps its CRLF', () => {
  const [windows, linux] = [grown(), grown()]
  for (const path of git(windows, 'ls-files', '-z')
    .split('\0')
    .filter((path) => path !== '')) {
    const text = readFileSync(join(windows, path), 'latin1')
    if (!text.includes('\0')) writeFileSync(join(windows, path), text.replaceAll('\n', '\r\n'), 'latin1')
  }
  for (const service of [windows, linux]) {
    writeFileSync(join(service, '.gitattributes'), '* -text\n')
    commit(service)
    const updated = update(newer, service, ['--json', '--no-install'])
    expect(resultOf(updated).files.filter(({ change }) => change === 'conflict')).toEqual([])
    expect(updated.code).toBe(0)
  }
  const files = filesOf(windows)
  expect(unix(files)).toEqual(filesOf(linux))
  // The record is written again, as npm writes package-lock.json.
  for (const path of Object.keys(files).filter(
    (path) => !/^(?:\.gitattributes|\.mainstem\.json)$/.test(path),
  ))
    expect(files[path]?.replaceAll('\r\n', ''), path).not.toContain('\n')
})

test('--remove removes an unchanged piece in a checkout with CRLF', () => {
  const service = created(older, '--no-example')
  expect(startAdd(service, 'route', 'report')).toMatchObject({ code: 0 })
  for (const path of ['src/report/report.routes.ts', 'src/report/report.handlers.ts'])
    writeFileSync(join(service, path), readFileSync(join(service, path), 'utf8').replaceAll('\n', '\r\n'))
  expect(startAdd(service, '--remove', 'route', 'report')).toMatchObject({ code: 0, err: '' })
})

test('with .data on another disk add works, and update refuses to run generators there', () => {
  const service = created(older, '--no-example')
  const outside = mkdtempSync(join(folder, 'outside-'))
  symlinkSync(outside, join(service, '.data'))
  expect(startAdd(service, 'route', 'report')).toMatchObject({ code: 0, err: '' })
  const refused = update(newer, service)
  expect(refused.err).toContain('.data is a link out of the service')
  expect(refused.code).toBe(1)
  expect(readdirSync(outside)).toEqual([])
})

/** A shell that may mount file systems of its own, if the system allows that. */
const mounting = ['--mount', '--map-root-user', 'sh', '-ec']

test.runIf(spawnSync('unshare', [...mounting, 'mount -t tmpfs none /mnt']).status === 0)(
  'on a full disk update says so, writes nothing, and releases its lock',
  () => {
    const service = created(older, '--no-example')
    commit(service)
    const before = filesOf(service)
    const line = `mount -t tmpfs -o size=64k none .data; cat /dev/zero > .data/zeros 2> /dev/null || true
      ! "$0" "$1" update --json; ls .data`
    mkdirSync(join(service, '.data'))
    const { status, stdout } = spawnSync(
      'unshare',
      [...mounting, line, process.execPath, join(newer, 'dist/bin.js')],
      { cwd: service, encoding: 'utf8' },
    )
    expect(stdout).toContain('(ENOSPC), so nothing was written: make room, and run this again')
    expect(stdout).toMatch(/\}\nzeros\n$/)
    expect(status).toBe(0)
    expect(filesOf(service)).toEqual(before)
  },
)

test('no program writes through a link that leads out of the service', () => {
  const service = grown()
  const outside = join(mkdtempSync(join(folder, 'outside-')), 'guarantees.md')
  writeFileSync(outside, 'not ours\n')
  rmSync(join(service, 'docs/guarantees.md'))
  symlinkSync(outside, join(service, 'docs/guarantees.md'))
  symlinkSync('..', join(service, 'docs/above'))
  symlinkSync('nowhere', join(service, 'docs/dangling'))
  commit(service)
  const dry = update(newer, service, ['--dry-run'])
  expect(dry.err).toBe('')
  expect(dry.code).toBe(0)
  expect(readFileSync(outside, 'utf8')).toBe('not ours\n')
  expect(update(newer, service, ['--no-install'])).toMatchObject({ code: 0, err: '' })
  expect(readFileSync(outside, 'utf8')).toBe('not ours\n')
})
