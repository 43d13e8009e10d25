import { execFileSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { check, resolveConfig } from 'prettier'
import { expect, it } from 'vitest'
import { listFiles, readPlanned } from '../../generator/tree.ts'
import { planService, writeService } from '../../generator/service.ts'
import { proofs } from '../../generator/templates.ts'
import { recordPath } from '../../templates/service/generators/engine/record.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { repository, temporaryFolder } from '../support/create.ts'

const advice = 'run npm run sample and commit what it changes'

it('sample-service/ is byte for byte what the command emits for that name', async (t) => {
  const ctx = testContext(t)
  const folder = await temporaryFolder(t.onTestFinished)
  const plan = await writeService(ctx, { name: 'sample-service', example: true }, folder)
  const emitted = await listFiles(ctx, folder)
  expect(emitted).toEqual([...plan.keys()])

  const committed = known('sample-service')
  const differing = [
    ...emitted.filter((path) => !committed.includes(path)).map((path) => `missing: ${path}`),
    ...committed.filter((path) => !emitted.includes(path)).map((path) => `not emitted: ${path}`),
  ]
  for (const path of emitted.filter((path) => committed.includes(path))) {
    const [now, then] = [join(folder, path), join(repository, 'sample-service', path)]
    const same =
      (await readFile(now)).equals(await readFile(then)) && (await modeOf(now)) === (await modeOf(then))
    if (!same) differing.push(`differs: ${path}`)
  }
  expect(differing, advice).toEqual([])
})

/** The files of the skeleton that a service gets. */
const emittedOfTheSkeleton = (): string[] =>
  known('templates/service').filter((path) => !`service/${path}`.startsWith(proofs))

it('everything in templates/service that git knows is emitted, except the proofs', async (t) => {
  const ctx = testContext(t)
  const plan = await planService(ctx, { name: 'mainstem-service', example: false })
  const expected = emittedOfTheSkeleton().map((path) => path.replace(/(^|\/)(gitignore|npmrc)$/, '$1.$2'))
  expect([...plan.keys()]).toEqual([...expected, recordPath].sort())
})

it('the skeleton with the placeholder as its name equals the template', async (t) => {
  const ctx = testContext(t)
  const plan = await planService(ctx, { name: 'mainstem-service', example: false })
  for (const path of emittedOfTheSkeleton()) {
    const template = await readPlanned(ctx, join(repository, 'templates/service', path))
    const emitted = plan.get(path.replace(/(^|\/)(gitignore|npmrc)$/, '$1.$2'))
    expect(emitted?.bytes.equals(template.bytes), path).toBe(true)
    expect(emitted?.executable, path).toBe(template.executable)
  }
})

it('the example is formatted with its noun, which is longer than widget', async (t) => {
  const plan = await planService(testContext(t), { name: 'sample-service', example: true })
  const config = await resolveConfig(join(repository, 'templates/service/src/routes.ts'), {
    editorconfig: true,
  })
  expect(config).toMatchObject({ singleQuote: true })
  const unformatted = []
  for (const [path, { bytes }] of plan) {
    if (!/^src\/(documents\/|routes\.ts|prepare\.ts)/.test(path)) continue
    if (!(await check(bytes.toString('utf8'), { ...config, filepath: path }))) unformatted.push(path)
  }
  expect(unformatted, 'write these lines such that prettier leaves them alone with either noun').toEqual([])
})

/** The files that a commit of the folder would hold: those that git tracks or would track, and that exist. */
function known(folder: string): string[] {
  const list = (...flags: string[]): string[] =>
    execFileSync('git', ['ls-files', ...flags, '-z', '--', folder], { cwd: repository, encoding: 'utf8' })
      .split('\0')
      .filter((path) => path !== '')
      .map((path) => path.slice(folder.length + 1))
  const deleted = new Set(list('--deleted'))
  return list('--cached', '--others', '--exclude-standard')
    .filter((path) => !deleted.has(path))
    .sort()
}

/** Git keeps only whether a file is executable. */
async function modeOf(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o100) !== 0
}
