import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { withoutCancel, withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { execute } from '../command.ts'
import { throwIfEnded } from '../ended.ts'
import { childEnvironment } from '../package-manager.ts'
import { listFiles, readPlanned, type Plan, type PlannedFile } from '../tree.ts'
import type { ServiceRecord } from '../../templates/service/generators/engine/record.ts'

/** How long npm may take to find the package of an old version, in ms. */
const timeoutMs = 120_000

/**
 * What an old version of this package emits for the same answers. npm gets the package from its cache, else from the registry,
 * unless `from` names a tarball. The .npmrc of the service at `root` has the registry and its credentials.
 * @returns undefined if npm does not find it
 */
export async function emittedBy(
  parent: Context,
  { version, answers }: Pick<ServiceRecord, 'version' | 'answers'>,
  from: string | undefined,
  root: string,
): Promise<Plan | undefined> {
  using ctx = withTimeout(parent, timeoutMs)
  const folder = await mkdtemp(join(tmpdir(), 'mainstem-old-'))
  try {
    const name = String(answers['name'])
    const tarball = from !== undefined && existsSync(from) ? `file:${resolve(from)}` : undefined
    const [manager = 'npm', recorded] = String(answers['pm'] ?? 'npm').split('@')
    const flags = ['--yes', '--no-install', '--no-git', '--pm', manager]
    if (answers['example'] === false) flags.push('--no-example')
    // The caller accepts only contents with the recorded ids, whatever version the user names.
    const spec = tarball ?? `create-mainstem@${from ?? version}`
    const npm = [
      'exec',
      '--yes',
      '--prefer-offline',
      `--package=${spec}`,
      '--',
      'create-mainstem',
      name,
      ...flags,
    ]
    // This package.json keeps npm from one in a folder above, and makes npm read the .npmrc beside it.
    await mkdir(join(folder, 'empty/node_modules'), { recursive: true })
    const settings = settingsOf(root)
    if (settings !== undefined) await copyFile(settings, join(folder, 'empty/.npmrc'))
    const cwd = await placeFor(ctx, join(folder, 'empty'), answers)
    const env = childEnvironment(process.env)
    if (recorded !== undefined) env['PATH'] = await withProgram(ctx, folder, manager, recorded)
    const { code } = await execute(ctx, 'npm', npm, { cwd, env })
    return code === 0 ? await readAll(ctx, join(cwd, name)) : undefined
  } catch (error) {
    throwIfEnded(parent)
    if (ctx.err !== undefined || (error instanceof Error && 'code' in error)) return undefined
    throw error
  } finally {
    await remove(withoutCancel(parent), folder)
  }
}

/** A PATH on which the package manager prints its version at that time, which the emitted files contain. */
async function withProgram(ctx: Context, folder: string, name: string, version: string): Promise<string> {
  throwIfEnded(ctx)
  const place = join(folder, 'programs')
  await mkdir(place)
  await writeFile(join(place, name), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 })
  await writeFile(join(place, `${name}.cmd`), `@echo ${version}\r\n`)
  return `${place}${delimiter}${process.env['PATH'] ?? ''}`
}

/** The .npmrc of the service, or that of the workspace around it. npm finds the user's own by itself. */
function settingsOf(root: string): string | undefined {
  for (let folder = root; folder !== homedir(); folder = dirname(folder)) {
    if (existsSync(join(folder, '.npmrc'))) return join(folder, '.npmrc')
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return undefined
  }
  return undefined
}

/** Where the service is created again: in `empty`, or in a workspace inside it that resembles its own. */
async function placeFor(
  ctx: Context,
  empty: string,
  { workspace }: ServiceRecord['answers'],
): Promise<string> {
  throwIfEnded(ctx)
  if (typeof workspace !== 'string') return empty
  const place = join(empty, dirname(workspace))
  await mkdir(place, { recursive: true })
  await writeFile(join(empty, 'package.json'), JSON.stringify({ private: true, workspaces: [workspace] }))
  await writeFile(join(empty, '.yarnrc.yml'), 'nodeLinker: node-modules\n')
  return place
}

async function readAll(ctx: Context, directory: string): Promise<Plan> {
  const files = new Map<string, PlannedFile>()
  for (const path of await listFiles(ctx, directory))
    files.set(path, await readPlanned(ctx, join(directory, path)))
  return files
}

async function remove(_ctx: Context, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}
