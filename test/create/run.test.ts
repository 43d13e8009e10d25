import { chmod, cp, mkdir, readFile, stat } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import {
  cleanEnvironment,
  exists,
  fakeProgram,
  homeFolder,
  repository,
  run,
  temporaryFolder,
  writeFiles,
} from '../support/create.ts'
import type { Step } from '../support/stages.ts'

it('a failed stage does not stop the later stages, and the exit code is 1', async () => {
  const cwd = await temporaryFolder(onTestFinished)
  const step = (title: string, ...command: [string, ...string[]]): Step => ({ title, command, cwd })
  const stages = [
    [step('first', 'true'), step('second', 'no-such-program')],
    [step('third', 'touch', 'third')],
    [step('fourth', 'sh', '-c', 'exit 3')],
    [step('fifth', 'touch', 'fifth')],
  ]
  const module = pathToFileURL(join(repository, 'test/support/stages.ts')).href
  const program = `import { runStages } from ${JSON.stringify(module)}
    process.exitCode = (await runStages(${JSON.stringify(stages)})) ? 0 : 1`
  const tsx = pathToFileURL(join(repository, 'node_modules/tsx/dist/loader.mjs')).href
  const ended = await run([process.execPath, '--import', tsx, '--input-type=module', '--eval', program], {
    cwd,
    env: cleanEnvironment(cwd),
  })
  expect([await exists(join(cwd, 'third')), await exists(join(cwd, 'fifth'))]).toEqual([true, true])
  expect(ended.stdout).toMatch(/\nFAILED: second; fourth\n\n3 passed, 2 failed\n$/)
  expect(ended.code, ended.stderr).toBe(1)
})

/** Runs .ci/run in a checkout that holds nothing else, with an npm that records where it is called and exits as `npm` says. */
async function ci(npm: string, apt = 'exit 0', installed = 'installed') {
  const checkout = await temporaryFolder(onTestFinished)
  await mkdir(join(checkout, '.ci'))
  await cp(join(repository, '.ci/run'), join(checkout, '.ci/run'))
  await writeFiles(checkout, { 'package.json': '{}', 'node_modules/old/package.json': '{}' })
  await chmod(checkout, 0o755)
  const note = join(checkout, 'calls')
  const programs = [
    ['npm', `echo "$* in $PWD, $(stat -c %a ..), $(ls | tr '\\n' ' ')" >> ${note}\n${npm}`],
    ['dpkg-query', `printf '%s' '${installed}'`],
    ['apt-get', `echo "apt-get $*" >> ${note}\n${apt}`],
    ['sudo', 'exec "$@"'],
  ] as const
  const folders = await Promise.all(
    programs.map(([name, script]) => fakeProgram(onTestFinished, name, script)),
  )
  const env = cleanEnvironment(await homeFolder(onTestFinished))
  const PATH = [...folders, env['PATH']].join(delimiter)
  const ended = await run([join(checkout, '.ci/run')], { cwd: '/', env: { ...env, PATH } })
  const calls = (await exists(note)) ? (await readFile(note, 'utf8')).trimEnd().split('\n') : []
  return { ...ended, calls, checkout }
}

it('.ci/run tests in a copy that only its owner may enter, and removes the copy', async () => {
  const { code, stdout, stderr, calls, checkout } = await ci(
    "case $1 in test) echo; echo '9 passed, 0 failed';; esac",
  )
  const places = calls.map((call) => /^(.*) in (.*), 700, package\.json ?$/.exec(call))
  expect(places.map((place) => place?.[1])).toEqual(['ci', 'test', 'test -- --rest', 'run test:surroundings'])
  const place = places[0]?.[2] ?? ''
  expect(place).not.toBe(checkout)
  await expect(stat(dirname(place))).rejects.toThrow('ENOENT')
  expect(stdout).toMatch(/\n11 passed, 0 failed\n$/)
  expect(code, stderr).toBe(0)
})

it('.ci/run continues after a failure, counts it, and fails', async () => {
  const failing = await ci("case $1 in test) echo '7 passed, 2 failed'; exit 1;; esac")
  expect(failing.stdout).toMatch(/\n8 passed, 3 failed\n$/)
  expect(failing.calls.at(-1)).toMatch(/^run test:surroundings /)
  expect(failing.code).toBe(1)
  const broken = await ci('case $1 in test) exit 1;; esac')
  expect(broken.stdout).toMatch(/\n1 passed, 2 failed\n$/)
  expect(broken.code).toBe(1)
  const surroundings = await ci("case $1 in test) echo '9 passed, 0 failed';; run) exit 1;; esac")
  expect(surroundings.stdout).toMatch(/\n10 passed, 1 failed\n$/)
  expect(surroundings.code).toBe(1)
})

it('.ci/run installs missing packages, and reports if it cannot', async () => {
  const npm = "case $1 in test) echo '9 passed, 0 failed';; esac"
  const { code, stdout, calls } = await ci(npm, 'exit 0', 'not-installed')
  expect(calls.slice(0, 2)).toEqual([
    'apt-get update',
    expect.stringMatching(
      /^apt-get install .*pgbouncer haproxy nginx libnginx-mod-stream prometheus /,
    ) as string,
  ])
  expect(stdout).toMatch(/\n12 passed, 0 failed\n$/)
  expect(code).toBe(0)
  const refused = await ci(npm, 'exit 100', 'not-installed')
  expect(refused.stderr).toMatch(
    /^apt-get could not install pgbouncer haproxy .*: the tests that need them fail$/m,
  )
  expect(refused.stdout).toMatch(/\n11 passed, 1 failed\n$/)
  expect(refused.code).toBe(1)
})
