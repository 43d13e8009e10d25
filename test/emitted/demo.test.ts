import { readdir } from 'node:fs/promises'
import { expect, test, type TestContext } from 'vitest'
import {
  cleanEnvironment,
  eventually,
  homeFolder,
  repository,
  run,
  start,
  temporaryFolder,
} from '../support/create.ts'

/** An environment in which the demo's temporary files can be seen. */
async function surroundings(t: TestContext) {
  const atEnd = (fn: () => Promise<void>): void => t.onTestFinished(fn)
  const temporary = await temporaryFolder(atEnd)
  const env = cleanEnvironment(await homeFolder(atEnd), {
    TMPDIR: temporary,
    NPM_CONFIG_UPDATE_NOTIFIER: 'false',
  })
  return { env, left: async () => (await readdir(temporary)).filter((name) => !name.startsWith('tsx-')) }
}

test.each([
  ['demo', "demo: Unknown option '--foo': npm run demo takes only --fast\n"],
  ['soak', "Unknown option '--foo': npm run soak -- --help lists the options\n"],
  ['mutate', "Unknown option '--foo': npm run mutate -- --help lists the options\n"],
  ['nodes', 'nodes: --foo is not a line of Node, such as 24\n'],
  ['managers', 'managers: --foo is not a package manager, such as pnpm@12/24\n'],
])('%s refuses an unknown option in one sentence', async (script, sentence) => {
  const ended = await run(['npm', 'run', '--silent', script, '--', '--foo'], {
    cwd: repository,
    env: process.env,
  })
  expect(ended).toMatchObject({ code: 1, stdout: '', stderr: sentence })
})

test('without a terminal: a line for each event, each ending with its cause, exit 0', async (t) => {
  const { env, left } = await surroundings(t)

  const { code, stdout, stderr } = await run(['npm', 'run', 'demo', '--', '--fast'], { cwd: repository, env })

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
  expect(stdout).toContain('the service has ended: exit code 0')
  expect(await left()).toEqual([])
})

test('Ctrl-C ends it at any time, and leaves nothing: exit 130', async (t) => {
  const { env, left } = await surroundings(t)
  const { child, seen, ended } = start([process.execPath, '--import', 'tsx', 'demo/main.ts', '--fast'], {
    cwd: repository,
    env,
  })
  await eventually('statements in Postgres', () => seen.stdout.includes('statements run') || undefined)

  child.kill('SIGINT')

  expect(await ended).toMatchObject({ code: 130, stderr: 'demo: stopped\n' })
  expect(await left()).toEqual([])
})
