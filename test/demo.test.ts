import { readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, type TestContext } from 'vitest'
import {
  cleanEnvironment,
  commandLine,
  eventually,
  homeFolder,
  repository,
  run,
  start,
  temporaryFolder,
} from './support/create.ts'

const demo = ['npm', 'run', 'demo:cancel', '--', '--fast']

/** A service as the command makes it, on the packages of this repository, and an environment whose temporary folder it fills. */
async function createService(t: TestContext, ...flags: string[]) {
  const atEnd = (fn: () => Promise<void>): void => t.onTestFinished(fn)
  const folder = await temporaryFolder(atEnd)
  const temporary = await temporaryFolder(atEnd)
  const env = cleanEnvironment(await homeFolder(atEnd), {
    TMPDIR: temporary,
    NPM_CONFIG_UPDATE_NOTIFIER: 'false',
  })
  const made = await run([...commandLine, 'my-service', '--yes', '--no-install', '--no-git', ...flags], {
    cwd: folder,
    env,
  })
  expect(made.stderr + made.stdout, 'the command').toContain('my-service')
  const cwd = join(folder, 'my-service')
  await symlink(join(repository, 'node_modules'), join(cwd, 'node_modules'))
  return { cwd, env, left: async () => (await readdir(temporary)).filter((name) => !name.startsWith('tsx-')) }
}

test('without a terminal: a line for each event, each ending with its cause, exit 0', async (t) => {
  const { cwd, env, left } = await createService(t)

  const { code, stdout, stderr } = await run(demo, { cwd, env })

  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toContain('\u001b')
  for (const [cause, freed] of [
    ['ClientDisconnected', 'the hang-up'],
    ['DeadlineExceeded', 'the deadline'],
    ['ServerShutdown', 'the cancel'],
  ]) {
    for (const name of ['GET /demo/report', 'group', 'orders', 'invoices', 'customers']) {
      expect(stdout).toMatch(new RegExp(`^ +${name} +${cause} after [\\d.]+ ms$`, 'm'))
    }
    expect(stdout).toMatch(new RegExp(`Postgres is free [\\d.]+ ms after ${freed}: 0 statements`))
  }
  expect(stdout).toContain('the service has left: exit code 0')
  expect(await left()).toEqual([])
})

test('Ctrl-C ends it at any time, and leaves nothing: exit 130', async (t) => {
  const { cwd, env, left } = await createService(t, '--no-example')
  const { child, seen, ended } = start(
    [process.execPath, '--import', 'tsx', 'scripts/demo-cancel.ts', '--fast'],
    { cwd, env },
  )
  await eventually('statements in Postgres', () => seen.stdout.includes('statements run') || undefined)

  child.kill('SIGINT')

  expect(await ended).toMatchObject({ code: 130, stderr: 'demo: stopped\n' })
  expect(await left()).toEqual([])
})
