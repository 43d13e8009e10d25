import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { basename, dirname, join, normalize, resolve } from 'node:path'
import { Failure, fileFailure } from './failure.ts'
import { checkName } from './name.ts'
import { kindOf } from './tree.ts'

/** Where the service goes. */
export interface Target {
  /** As the user wrote it, for messages. */
  readonly given: string
  readonly path: string
  readonly name: string
  /** The directory is there already. */
  readonly exists: boolean
  /** The directories above it that are missing, the outermost first. */
  readonly missing: readonly string[]
}

/**
 * Looks at the directory a user named, and changes nothing.
 * @throws Failure if no service can be created there: a path that names no directory of its own, a bad name, a
 * path in which nothing runs, a file, or no permission to write
 */
export function targetFrom(given: string, cwd: string): Target {
  if (given.trim() === '') throw new Failure('the directory is missing: name one, like my-service')
  if (/(^|[\\/])\.\.[\\/]?$/.test(normalize(given)) || dirname(resolve(cwd, given)) === resolve(cwd, given)) {
    throw new Failure(`'${given}' cannot be the directory of a service: name a new one, like ../my-service`)
  }
  const path = resolve(cwd, given)
  const name = basename(path)
  checkName(name)
  refuseUnusable(path, given)
  refuseInside(path, given)
  const exists = isDirectory(path, given)
  const missing = exists ? [] : missingAbove(path)
  requireWritable(exists ? path : dirname(missing[0] ?? path), given)
  return { given, path, name, exists, missing }
}

/** The directories above `path` that are missing, the outermost first. */
function missingAbove(path: string): string[] {
  const missing: string[] = []
  for (let above = dirname(path); kindOf(above) === 'none'; above = dirname(above)) missing.unshift(above)
  return missing
}

/**
 * A warning for a path in which the service runs, but its tests or the PostgreSQL from npm cannot; undefined for any other path.
 */
export function pathWarning({ path }: Target): string | undefined {
  for (const { characters, consequence, remedy } of awkward) {
    const character = characters.exec(path)?.[0]
    if (character !== undefined) {
      return `'${character}' in ${path}: ${consequence}; move the service to a path without ${remedy}`
    }
  }
  return undefined
}

const awkward = [
  {
    characters: /[#%?]/,
    consequence: 'npm test cannot run in such a path, since Vite reads it as a URL',
    remedy: '# % ?',
  },
  {
    characters: /[$"`]/,
    consequence:
      'npm run dev and npm test cannot start PostgreSQL in such a path, since its initdb hands it to a shell',
    remedy: '$ " `',
  },
]

// On Windows every path contains \ and :, and none contains the others. TypeScript and Node replace every * by a module's name.
function refuseUnusable(path: string, given: string): void {
  const character = process.platform === 'win32' ? undefined : /[:\\*\n\r\t]/.exec(path)?.[0]
  if (character === undefined) return
  throw new Failure(
    `cannot create ${shown(given)}: npm or Node cannot find the service's programs in a path with '${shown(character)}': choose another directory`,
  )
}

/** The outer service's programs would treat the files of the inner one as their own. */
function refuseInside(path: string, given: string): void {
  for (let above = dirname(path); ; above = dirname(above)) {
    if (existsSync(join(above, '.mainstem.json')))
      throw new Failure(
        `${given} is inside the service ${above}: create it beside that service, such as ${join(dirname(above), basename(path))}; to give that service a newer template, run npm run update in it`,
      )
    if (above === dirname(above)) return
  }
}

/** `text` as a message of one line shows it. */
function shown(text: string): string {
  return text.replace(/[\n\r\t]/g, (control) => JSON.stringify(control).slice(1, -1))
}

function isDirectory(path: string, given: string): boolean {
  try {
    if (kindOf(path) === 'none') return false
  } catch (error) {
    throw fileFailure(error, given)
  }
  try {
    if (statSync(path).isDirectory()) return true
  } catch (error) {
    throw new Failure(`${given} is a link that leads nowhere: remove it or choose another directory`, {
      cause: error,
    })
  }
  throw new Failure(`${given} exists and is a file: choose another directory`)
}

// For root access() always succeeds: then the first write reports the error.
function requireWritable(directory: string, given: string): void {
  try {
    if (!statSync(directory).isDirectory())
      throw new Failure(`cannot create ${given}, since ${directory} is a file: choose another directory`)
    accessSync(directory, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw fileFailure(error, given)
  }
}
