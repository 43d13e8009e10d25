// JavaScript, because Node cannot load TypeScript before the packages are installed.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { URL } from 'node:url'

/** The package manager that runs this script. */
export const [manager] = (process.env.npm_config_user_agent || 'npm').split('/')

/** Ends this process with a sentence if `error` says that a package, or a file of the service, cannot be found. */
export function endIfMissing(error) {
  if (!/MODULE_NOT_FOUND$/.test(error?.code)) return
  const [, name, importer] = /'([^']+)'(?: imported from (.+))?/.exec(error.message) ?? []
  if (name === undefined) return
  // A package has a name, a file an absolute path.
  const [, named] = /^((?:@[^/]+\/)?[^./][^/]*)/.exec(name) ?? []
  if (named !== undefined) endForLackOf([named])
  const here = (path) => path.replace('file://', '').replace(`${process.cwd()}/`, '')
  const by = importer === undefined ? '' : `, and ${here(importer.split('\n')[0])} imports it`
  process.stderr.write(`${here(name)} is missing${by}\n`)
  process.exit(1)
}

/** Ends this process because these packages are not installed, and names the command that installs them. */
export function endForLackOf([first, ...others]) {
  const names = others.length === 0 ? `${first} is` : `${others.length + 1} packages are`
  const example = others.length === 0 ? '' : ` (${first}, …)`
  endWith(`${names} not installed${example}`, 'install')
}

/** Ends this process; prints `fault` and the package manager's command that fixes it. */
export function endWith(fault, command) {
  process.stderr.write(
    `${fault}: run ${manager} ${command} first${command === 'install' ? unlessProduction() : ''}\n`,
  )
  process.exit(1)
}

/** A condition to append to the install command if the install would leave packages out; else empty. */
export function unlessProduction() {
  const leavesOut = process.env.NODE_ENV === 'production' && process.env.npm_lifecycle_event !== 'start'
  return leavesOut ? ', without NODE_ENV=production, which leaves out the devDependencies' : ''
}

/** Returns what is wrong with this Node, on which the program would fail with a stack; undefined if package.json accepts it. */
export function nodeFault() {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const least = /^>=\s*([\d.]+)$/.exec(engines?.node)?.[1]
  if (least === undefined || ordered(process.versions.node) >= ordered(least)) return undefined
  return {
    seen: `${process.version}, package.json requires >=${least}`,
    fix: `install Node ${least} or newer (nvm install, https://nodejs.org)`,
  }
}

function ordered(version) {
  const parts = version.split('.').map((part) => part.padStart(4, '0'))
  return parts.join('.')
}

/** Ends this process if Node is older than package.json requires. */
export function requireNode() {
  const fault = nodeFault()
  if (fault === undefined) return
  process.stderr.write(`Node ${fault.seen}: ${fault.fix}\n`)
  process.exit(1)
}

/** Ends this process if one of `packages` is not installed, here or in a workspace around. */
export function requireInstalled(packages) {
  const missing = packages.filter((name) => !isInstalled(name, process.cwd()))
  if (missing.length > 0) endForLackOf(missing)
}

function isInstalled(name, folder) {
  if (existsSync(join(folder, 'node_modules', name))) return true
  return folder !== dirname(folder) && isInstalled(name, dirname(folder))
}
