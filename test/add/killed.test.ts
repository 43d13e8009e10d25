/** The effects of `kill -9` on `npm run add`, at any of its writes. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { add, command, edit, emittedService, folder, newService, treeOf } from '../support/added-service.ts'
import { killerAt } from '../support/killer.ts'

const every = process.env['EVERY_WRITE'] !== undefined
const stamping = ['route', 'report'] as const
const removing = ['--remove', ...stamping] as const

let without: string
let withRoute: string
beforeAll(async () => {
  without = emittedService()
  withRoute = newService(without)
  expect(await add(withRoute, ...stamping)).toMatchObject({ code: 0 })
})

/** Kills the command at its `at`-th write of a path with `part` in it. @returns whether there was such a write */
function kill(service: string, at: number, args: readonly string[], part = service): boolean {
  const scratch = mkdtempSync(join(folder, 'killer-'))
  const env = { ...process.env, NODE_OPTIONS: killerAt(at, part, scratch) }
  const { signal, status, stderr } = spawnSync(process.execPath, [...command, ...args], {
    cwd: service,
    env,
    encoding: 'utf8',
  })
  if (signal !== 'SIGKILL') expect(status, stderr).toBe(0)
  return signal === 'SIGKILL'
}

function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter((path) => one.get(path) !== other.get(path))
}

test.each([
  ['add', stamping, () => without, () => withRoute],
  ['add --remove', removing, () => withRoute, () => without],
])(
  '%s: the next run finishes a valid journal, and removes the rest',
  { timeout: 600_000 },
  async (_, args, from, to) => {
    const [before, after] = [treeOf(from()), treeOf(to())]
    let certain = 0
    let nothing = 0
    for (let at = 1; ; at += every ? 1 : 9) {
      const service = mkdtempSync(join(folder, 'service-'))
      cpSync(from(), service, { recursive: true })
      if (!kill(service, at, args)) break
      // `--list` does not finish a killed run; every other run does, even if it is refused.
      const { code, err } = await add(service, '--remove', 'route', 'nothing')
      expect(code).toBe(1)
      const finished = err.startsWith('Finished the run that was killed before.\n')
      const left = treeOf(service)
      // After its last write everything is there, and nothing is left to finish.
      const done = finished || differences(left, after).length === 0
      expect(differences(left, done ? after : before), `killed at ${at}`).toEqual([])
      if (finished) certain++
      else nothing++
    }
    expect(certain).toBeGreaterThan(0)
    expect(nothing).toBeGreaterThan(0)
  },
)

test('a file that the user has changed since is not overwritten', async () => {
  const service = newService(without)
  expect(kill(service, 1, stamping, 'src/routes.ts.')).toBe(true)
  edit(service, 'src/routes.ts', (text) => `${text}// Ours.\n`)
  const tree = withoutLock(service)
  const { code, err } = await add(service, 'route', 'status')
  expect(err).toBe(
    'npm run add was killed while it wrote, and src/routes.ts has changed since: see git status, then remove .data/pending.\n',
  )
  expect(code).toBe(1)
  expect(withoutLock(service)).toEqual(tree)
})

/** The files of the service, without the lock that a killed run leaves behind. */
function withoutLock(service: string): ReadonlyMap<string, string> {
  return new Map([...treeOf(service)].filter(([path]) => path !== '.data/lock'))
}

test('--merge-record finishes a killed run first', async () => {
  const service = newService(without)
  expect(kill(service, 1, stamping, 'src/routes.ts.')).toBe(true)
  const { code, err } = await add(service, '--merge-record')
  expect(err).toMatch(/^Finished the run that was killed before\.\nGit has no conflict in /)
  expect(code).toBe(1)
  expect(differences(treeOf(service), treeOf(withRoute))).toEqual([])
})

test('--dry-run writes nothing if a killed run must be finished first', async () => {
  const service = newService(without)
  expect(kill(service, 1, stamping, 'src/routes.ts.')).toBe(true)
  const tree = treeOf(service)
  const { code, err } = await add(service, ...stamping, '--dry-run')
  expect(treeOf(service)).toEqual(tree)
  expect(err).toBe(
    'A run was killed while it wrote, and --dry-run cannot finish it: run the same command without --dry-run.\n',
  )
  expect(code).toBe(1)
})

test('add does not write below a link that leads out of the service', async () => {
  const service = newService(without)
  const outside = mkdtempSync(join(folder, 'outside-'))
  symlinkSync(outside, join(service, 'src/report'))
  const tree = treeOf(service)
  const { code, err } = await add(service, ...stamping)
  expect(err).toContain('is below a link that leads out of the service: change the file by hand')
  expect(code).toBe(1)
  expect(treeOf(service)).toEqual(tree)
  expect(readdirSync(outside)).toEqual([])
})
