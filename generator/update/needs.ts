import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { satisfies } from 'semver'
import type { Context } from '../../templates/service/src/context/context.ts'
import { Failure } from '../failure.ts'
import { install } from '../install.ts'
import { managerOf } from './manager.ts'
import type { Service } from './service.ts'
import { installRootOf } from './write.ts'

/** The folders whose programs an update runs in the copy. */
const programs = ['generators/engine', 'generators/edit', 'generators/after', 'scripts/pages']

/**
 * Installs in the copy if the merged generators need a package that the service lacks.
 * @throws Failure if the service is not installed at all, or if the install fails
 */
export async function installInCopy(ctx: Context, service: Service, copy: string): Promise<void> {
  const { root, record } = service
  if (!isInstalled(root, 'tsx', '*'))
    throw new Failure('the dependencies of the service are not installed: install them first, then update')
  const wanted = rangesOf(copy)
  const missing = [...importedBy(copy)].filter((name) => {
    const range = wanted[name]
    return range !== undefined && !isInstalled(root, name, range)
  })
  if (missing.length === 0) return
  try {
    // The workspace does not list the copy, and only npm installs a folder that its workspace does not list.
    const manager = installRootOf(service) === root ? managerOf(root, record) : 'npm'
    await install(ctx, manager, copy)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    throw new Failure(`the new generators need ${missing.join(', ')}: ${cause.message}`, {
      cause,
      output: cause.output,
    })
  }
}

/** The packages that the programs import. */
function importedBy(copy: string): Set<string> {
  const names = new Set(['tsx', 'prettier'])
  for (const folder of programs.filter((one) => existsSync(join(copy, one)))) {
    for (const entry of readdirSync(join(copy, folder), { withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
      const text = readFileSync(join(copy, folder, entry.name), 'utf8')
      for (const [, name = ''] of text.matchAll(/\b(?:from|import\()\s*'((?:@[\w-]+\/)?[a-z][\w.-]*)/g))
        names.add(name)
    }
  }
  return names
}

function rangesOf(copy: string): Readonly<Record<string, string>> {
  const text = readFileSync(join(copy, 'package.json'), 'utf8')
  const { dependencies, devDependencies } = JSON.parse(text) as Record<
    string,
    Record<string, string> | undefined
  >
  return { ...dependencies, ...devDependencies }
}

/** Whether `root` or a folder above has the package in this range. */
function isInstalled(root: string, name: string, range: string): boolean {
  const places = createRequire(join(root, 'package.json')).resolve.paths(name) ?? []
  const manifest = places.map((place) => join(place, name, 'package.json')).find((path) => existsSync(path))
  if (manifest === undefined || !dirname(manifest).endsWith(name)) return false
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  return range === '*' || satisfies(version, range, { includePrerelease: true })
}
