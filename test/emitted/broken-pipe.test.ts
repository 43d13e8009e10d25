import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { cleanEnvironment, homeFolder, repository, temporaryFolder } from '../support/create.ts'

const service = join(repository, 'templates/service')

/** They run to their end first, which takes seconds: `npm test` leaves them to `npm run test:all`. */
const long = [
  ['verify', service, 'scripts/verify/verify.ts', []],
  ['demo', repository, 'demo/main.ts', ['--fast']],
] as const

test.each([
  ['add', service, 'generators/engine/add.ts', ['route', 'status', '--dry-run', '--diff']],
  ['config', service, 'scripts/pages/config.ts', []],
  ...(process.env['LONG_TESTS'] === '1' ? long : []),
] as const)(
  '%s ends as usual and prints no stack if nobody reads its output',
  async (_name, cwd, script, args) => {
    // `config` needs the variable: without it the script exits with 1.
    const env = cleanEnvironment(await homeFolder(onTestFinished), {
      DATABASE_URL: 'postgres://127.0.0.1/none',
    })
    const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { cwd, env })
    // The reading end is closed long before the script has loaded.
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  },
)

const tsx = join(repository, 'node_modules/tsx/dist/loader.mjs')

test.each([
  ['add', service, ['generators/engine/add.ts', 'route', 'status', '--dry-run', '--json']],
  ['create', undefined, [join(repository, 'generator/main.ts'), 'my-service', '--dry-run', '--json']],
] as const)('%s says in one sentence that its output cannot be written, exit 1', async (_name, cwd, args) => {
  const full = openSync('/dev/full', 'w')
  onTestFinished(() => closeSync(full))
  const { status, stderr } = spawnSync(process.execPath, ['--import', tsx, ...args], {
    cwd: cwd ?? (await temporaryFolder(onTestFinished)),
    env: cleanEnvironment(await homeFolder(onTestFinished)),
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  })
  expect(stderr).toMatch(/^The output cannot be written \(ENOSPC[^\n]*\)\.\n$/)
  expect(status).toBe(1)
})
