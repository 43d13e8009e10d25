import { packageManager, readManifest } from './packages.ts'
import { root } from './service-process.ts'

/** Returns what to fix if a program's stderr says that a package or a file of the service is missing; else undefined. */
export function adviceOnMissing(stderr: string): string | undefined {
  const [, kind, name = '', importer = ''] =
    /ERR_MODULE_NOT_FOUND\]: Cannot find (package|module) '(.+)' imported from (.+)/.exec(stderr) ?? []
  if (kind === undefined) return undefined
  if (kind === 'module')
    return `${here(importer)} imports ${here(name)}, which is missing; waiting for a change`
  const manager = packageManager()
  const { dependencies, devDependencies } = readManifest()
  const known = Object.hasOwn({ ...dependencies, ...devDependencies }, name)
  const command = known ? `${manager} install` : `${manager} ${manager === 'npm' ? 'install' : 'add'} ${name}`
  return `${name} is not installed, and ${here(importer)} imports it: waiting for ${command}`
}

/** What a program that could not start wrote to stderr, without the frames of Node and of packages. */
export function ownPart(stderr: string): string {
  const lines = stderr
    // Where Node threw it.
    .replace(/^node:internal.*\n.*\n *\^\n/m, '')
    .split('\n')
    .filter((line) => !/^Node\.js v\d/.test(line))
    // The last frame opens the error's properties, if it has any.
    .flatMap((line) =>
      /^ +at .*(?:node:|node_modules)/.test(line) ? (line.endsWith(' {') ? ['{'] : []) : line,
    )
  return `${here(
    lines
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim(),
  )}\n`
}

function here(text: string): string {
  return text.replaceAll('file://', '').replaceAll(`${root}/`, '')
}
