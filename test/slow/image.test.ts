import { spawn } from 'node:child_process'
import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, delimiter, join } from 'node:path'
import { DockerfileParser } from 'dockerfile-ast'
import { expect, it, onTestFinished } from 'vitest'
import { childEnvironment } from '../../generator/package-manager.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import { commandLine, eventually, run, temporaryFolder, writeFiles } from '../support/create.ts'
import { installManager } from '../support/package-managers.ts'

const env = childEnvironment(process.env)

/** A workspace with a member that has older versions of what a service needs. */
const neighbours = {
  'package.json': '{ "name": "acme", "private": true, "workspaces": ["apps/*"] }',
  'apps/old/package.json':
    '{ "name": "old", "version": "1.0.0", "dependencies": { "hono": "~4.6.0", "zod": "~3.25.76" }, "devDependencies": { "typescript": "~5.4.0" } }',
}

/** The package manager's files at the root of a workspace. */
const rootFiles: Readonly<Record<string, Record<string, string>>> = {
  pnpm: { 'pnpm-workspace.yaml': 'packages: [apps/*]\n' },
  yarn: { '.yarnrc.yml': 'nodeLinker: node-modules\n' },
}

const npm = [
  'npm',
  'install',
  '--package-lock',
  '--package-lock-only',
  '--ignore-scripts',
  '--prefer-offline',
]
const pnpm = ['pnpm', 'install', '--lockfile-only', '--no-frozen-lockfile']
const yarn = ['yarn', 'install', '--mode=update-lockfile']
const bun = ['bun', 'install', '--lockfile-only']

/**
 * The steps of a created service's Dockerfile, one by one in folders, since no Docker runs here: a stage has only the files
 * that it copies, and its commands run. The test does not try the base image and the user.
 */
it.each([
  ['npm', 'npm', '', npm, ''],
  ['pnpm 12', 'pnpm', '12', pnpm, ''],
  ['pnpm 9', 'pnpm', '9', pnpm, ''],
  ['Yarn 4', 'yarn', '4', yarn, ''],
  ['Bun 1', 'bun', '1', bun, ''],
  ['npm in a workspace', 'npm', '', npm, 'apps'],
  ['pnpm 12 in a workspace', 'pnpm', '12', pnpm, 'apps'],
  ['Yarn 4 in a workspace', 'yarn', '4', yarn, 'apps'],
  ['Bun 1 in a workspace', 'bun', '1', bun, 'apps'],
] as const)(
  'the image of %s builds, migrates, serves, is found healthy and stops by SIGTERM, without devDependencies',
  { timeout: 400_000 },
  async (_, manager, version, install, members) => {
    const folder = await temporaryFolder(onTestFinished)
    const path = manager === 'npm' ? '' : `${await installManager(folder, manager, version)}${delimiter}`
    const env = { ...childEnvironment(process.env), PATH: `${path}${process.env['PATH'] ?? ''}` }
    const flags = ['--yes', '--no-install', '--no-git', '--pm', manager]
    const context = join(folder, members === '' ? 'my-service' : 'workspace')
    const place = members === '' ? '' : `${members}/my-service`
    if (members !== '') await writeFiles(context, { ...neighbours, ...rootFiles[manager] })
    const made = await run([...commandLine, join(context, place), ...flags], { cwd: folder, env })
    expect(made.code, made.stderr).toBe(0)
    const lock = await run(install, { cwd: context, env })
    expect(lock.code, `${lock.stdout}${lock.stderr}`).toBe(0)

    // Like a clone made under umask 077.
    expect((await run(['chmod', '-R', 'go=', context], { cwd: folder, env })).code).toBe(0)

    const image = await build(context, place, join(folder, 'stages'))
    const dev = ['find', image.root, '-path', '*/node_modules/vitest', '-print']
    expect((await run(dev, { cwd: folder, env })).stdout, 'a devDependency').toBe('')
    const unreadable = ['find', image.root, '!', '-type', 'l', '!', '-perm', '-o=r', '-print']
    expect((await run(unreadable, { cwd: folder, env })).stdout, 'the image runs as node').toBe('')

    const postgres = await startPostgres({ dir: join(folder, 'postgres'), persistent: false })
    onTestFinished(() => postgres.stop())
    const port = String(await freePort())
    const settings = {
      ...image.env,
      PATH: process.env['PATH'],
      DATABASE_URL: postgres.url,
      PORT: port,
      ADMIN_PORT: String(await freePort()),
      HOST: '127.0.0.1',
      UPLOAD_DIR: join(folder, 'uploads'),
    }
    const unmigrated = await run(image.command, { cwd: image.folder, env: settings })
    expect(unmigrated.stdout).toContain('node dist/migrate.js')
    expect(unmigrated.code).toBe(1)
    const migrated = await run(['node', 'dist/migrate.js'], { cwd: image.folder, env: settings })
    expect(migrated.stdout).toContain('"applied":["0000_documents"]')
    expect(migrated.code, migrated.stdout).toBe(0)

    const [program = '', ...args] = image.command
    const service = spawn(program, args, {
      cwd: image.folder,
      env: settings,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void service.kill('SIGKILL'))
    const exit = new Promise((resolve) => service.once('close', (code, signal) => resolve(signal ?? code)))
    let log = ''
    service.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()))
    await eventually('the service to listen', () => log.includes('"listening"') || undefined)
    expect((await run(image.healthcheck, { cwd: image.folder, env: settings })).code).toBe(0)

    service.kill('SIGTERM')

    expect(await exit, log).toBe(0)
    expect((await run(image.healthcheck, { cwd: image.folder, env: settings })).code).toBe(1)
  },
)

interface Image {
  /** The folder that stands for /app, and the folder of the service in it. */
  readonly root: string
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly command: string[]
  readonly healthcheck: string[]
}

/** Carries out FROM, COPY, RUN, ENV, CMD and HEALTHCHECK, without the steps that change the machine itself (`/data`). */
async function build(context: string, place: string, stages: string): Promise<Image> {
  const text = await readFile(join(context, place, 'Dockerfile'), 'utf8')
  const ignore = join(context, place, place === '' ? '.dockerignore' : 'Dockerfile.dockerignore')
  const allowed = (await readFile(ignore, 'utf8')).split('\n')
  const folders = new Map<string, string>()
  // The folder of `npm install --global`.
  const global = join(stages, 'global')
  const PATH = `${join(global, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`
  let image = { root: '', folder: '', env: {}, command: [] as string[], healthcheck: [] as string[] }
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const words = instruction.getArguments().map((argument) => argument.getValue())
    switch (instruction.getKeyword()) {
      case 'FROM': {
        const root = join(stages, words[2] ?? 'image')
        image = { ...image, root, folder: root, env: {} }
        await mkdir(root, { recursive: true })
        folders.set(words[2] ?? 'image', root)
        break
      }
      case 'WORKDIR': {
        image.folder = join(image.root, (words[0] ?? '').replace(/^\/app\/?/, ''))
        await mkdir(image.folder, { recursive: true })
        break
      }
      case 'COPY': {
        const stage = /--from=(\S+)/.exec(instruction.getTextContent())?.[1]
        const bun = /^oven\/bun:(.*)-slim$/.exec(stage ?? '')?.[1]
        if (bun !== undefined) {
          await mkdir(join(global, 'bin'), { recursive: true })
          await symlink(join(await installManager(stages, 'bun', bun), 'bun'), join(global, 'bin/bun'))
          break
        }
        const mode = /--chmod=(\S+)/.exec(instruction.getTextContent())?.[1]
        const paths = words.filter((word) => !word.startsWith('--')).slice(0, -1)
        for (const path of paths) {
          const from =
            stage === undefined
              ? join(context, path)
              : join(folders.get(stage) ?? '', path.replace('/app/', ''))
          if (stage === undefined && place === '') expect(allowed).toContain(`!${path}`)
          // Each path keeps its place.
          const to = path.startsWith('/app/') ? join(image.root, path.slice(5)) : join(image.folder, path)
          const filter = (one: string): boolean =>
            stage !== undefined || !allowed.includes(`**/${basename(one)}`)
          await cp(from, to, { recursive: true, verbatimSymlinks: true, filter })
          if (mode === undefined) continue
          expect((await run(['chmod', '-R', mode, to], { cwd: context, env })).code, mode).toBe(0)
        }
        break
      }
      case 'RUN': {
        const line = words.join(' ')
        if (line.includes('/data')) break
        const done = await run(['sh', '-c', line], {
          cwd: image.folder,
          env: { ...env, PATH, npm_config_prefer_offline: 'true', npm_config_prefix: global, CI: 'true' },
        })
        expect(done.code, `${line}: ${done.stdout}${done.stderr}`).toBe(0)
        break
      }
      case 'ENV':
        image.env = {
          ...image.env,
          ...Object.fromEntries(words.map((word) => word.split('=', 2) as [string, string])),
        }
        break
      case 'HEALTHCHECK':
        image.healthcheck = JSON.parse(/\[.*\]/s.exec(instruction.getTextContent())?.[0] ?? '[]') as string[]
        break
      case 'CMD':
        image.command = JSON.parse(instruction.getArgumentsContent() ?? '[]') as string[]
    }
  }
  // Only the last stage is the image.
  for (const [name, folder] of folders) if (name !== 'image') await rm(folder, { recursive: true })
  return image
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
