import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { findLocks, packageManager, readManifest, type Lock } from '../dev/packages.ts'
import { root } from '../dev/service-process.ts'
import { nodeFault, unlessProduction } from '../missing.js'
import { fine, wrong, type Finding } from './finding.ts'
import { strayPeers } from './peers.ts'

/** The version of Node against package.json's `engines`. */
export function checkNode(): Finding[] {
  const fault = nodeFault()
  if (fault !== undefined) return [wrong('node', fault.seen, fault.fix)]
  const wanted = readManifest().engines?.node ?? ''
  return [fine('node', `${process.version}, package.json requires ${wanted || 'any'}`)]
}

/** Whether there is one lock file, package.json names its package manager or none, and that one can be started. */
export async function checkPackageManager(): Promise<Finding[]> {
  const locks = findLocks()
  const [lock] = locks
  const named = readManifest().packageManager?.split('@')[0]
  if (lock === undefined) {
    const fix = `run ${named ?? packageManager()} install, and commit the lock file`
    return [wrong('manager', 'there is no lock file', fix)]
  }
  const files = locks.map(({ file }) => file).join(', ')
  if (new Set(locks.map(({ manager }) => manager)).size > 1) {
    return [wrong('manager', `lock files of several managers: ${files}`, 'delete those that you do not use')]
  }
  if (named !== undefined && named !== lock.manager) {
    const fix = `use one of them: correct packageManager in package.json, or delete ${lock.file}`
    return [wrong('manager', `package.json names ${named}, but the lock file is ${lock.file}`, fix)]
  }
  const version = await versionOf(lock.manager)
  if (version === undefined) {
    const fix = `install ${lock.manager} (corepack enable), or install with another one and delete ${lock.file}`
    return [wrong('manager', `${lock.file} is ${lock.manager}'s, which is not in PATH`, fix)]
  }
  return [fine('manager', `${lock.manager} ${version}, ${relative(root, join(lock.folder, lock.file))}`)]
}

function versionOf(manager: string): Promise<string | undefined> {
  const options = { shell: process.platform === 'win32', cwd: root, timeout: 10_000 }
  return new Promise((resolve) => {
    execFile(manager, ['--version'], options, (error, stdout) => resolve(error ? undefined : stdout.trim()))
  })
}

/** Whether each package that package.json names is installed, and for npm in the version of the lock file. */
export function checkInstalled(): Finding[] {
  const { dependencies, devDependencies } = readManifest()
  const wanted = { ...dependencies, ...devDependencies }
  const [lock] = findLocks()
  const locked = lock?.manager === 'npm' ? readLock(lock) : undefined
  const faults = Object.entries(wanted).flatMap(([name, range]) => {
    const installed = installedVersion(name)
    if (installed === undefined) return [`${name} is missing`]
    if (locked === undefined) return []
    if (locked.ranges[name] !== range) return [`${name} ${range} is not in ${locked.file} yet`]
    const version = locked.versionOf(name)
    return version === undefined || version === installed ? [] : [`${name} is ${installed}, not ${version}`]
  })
  if (faults.length === 0)
    return [fine('installed', `all ${Object.keys(wanted).length} packages of package.json`)]
  return [wrong('installed', firstOf(faults), `run ${packageManager()} install${unlessProduction()}`)]
}

function installedVersion(name: string): string | undefined {
  for (let folder = root; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name, 'package.json')
    if (existsSync(path)) return readManifest(dirname(path)).version ?? ''
    if (folder === dirname(folder)) return undefined
  }
}

/** Whether the dependencies find each other in the versions of the service. */
export function checkPeers(): Finding[] {
  const strays = strayPeers(root, findLocks()[0]?.folder ?? root)
  const [first] = strays
  if (first === undefined) return [fine('peers', 'the dependencies find the versions of the service')]
  return [wrong('peers', firstOf(strays.map(({ seen }) => seen)), first.fix)]
}

function firstOf([first = '', ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first}, and ${others.length} more`
}

interface NpmPackage {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** What package-lock.json says of this package: it may be one of a workspace. */
function readLock({ folder, file }: Lock) {
  const lock = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
    packages?: Readonly<Record<string, NpmPackage | undefined>>
  }
  const place = relative(folder, root).replaceAll('\\', '/')
  const own = lock.packages?.[place]
  const prefix = place === '' ? '' : `${place}/`
  const ranges: Readonly<Record<string, string>> = { ...own?.dependencies, ...own?.devDependencies }
  return {
    file,
    ranges,
    versionOf: (name: string) =>
      (lock.packages?.[`${prefix}node_modules/${name}`] ?? lock.packages?.[`node_modules/${name}`])?.version,
  }
}
