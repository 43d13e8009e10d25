import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { childEnvironment } from '../generator/package-manager.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The files that `npm publish` would send. */
    tarball: string
  }
}

/**
 * Packs the clone once for all tests of a run: npm runs prepack, which compiles the command into dist/. Most tests start the
 * compiled command, as users do; with tsx each start would take three times as long.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'mainstem-pack-'))
  const teardown = () => rm(folder, { recursive: true, force: true })
  try {
    const cwd = join(import.meta.dirname, '..')
    // With the user's own npm settings, because they name the registry.
    const env = childEnvironment(process.env)
    // An npmrc may forbid scripts or ask for a dry run.
    const flags = ['--no-ignore-scripts', '--no-dry-run', '--workspaces=false', '--pack-destination', folder]
    await promisify(execFile)('npm', ['pack', ...flags], { cwd, env })
    const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'))
    if (tarball === undefined) throw new Error(`npm pack left no tarball in ${folder}`)
    project.provide('tarball', join(folder, tarball))
    return teardown
  } catch (error) {
    await teardown()
    throw error
  }
}
