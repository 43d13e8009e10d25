import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'

const lock = '.data/lock'

/** How long a process may take to write its name into the lock that it has made, in ms. */
const namelessMs = 10_000

/**
 * Keeps other runs of `add` and `update` out of the service until the lock is disposed. Takes over the lock of a killed process.
 * Throws if another run holds it.
 */
export function lockService(root: string): Disposable {
  const place = join(root, lock)
  while (!made(place)) {
    refuseLocked(root)
    takeAway(place)
  }
  return {
    [Symbol.dispose]() {
      rmSync(place, { force: true })
      removeEmptyFolder(dirname(place))
    },
  }
}

/** Removes an empty folder, but not a link to one, which the team has made. */
export function removeEmptyFolder(place: string): void {
  if (readdirSync(place).length === 0 && !lstatSync(place).isSymbolicLink()) rmdirSync(place)
}

/** Throws an Error of one sentence if another run is changing the service. Writes nothing. */
export function refuseLocked(root: string): void {
  const holder = holderOf(join(root, lock))
  if (holder === undefined) return
  throw new Error(
    `Another add or update is changing this service (${holder}): wait until it has ended; if none is running, remove ${lock}.`,
  )
}

function made(place: string): boolean {
  try {
    mkdirSync(dirname(place), { recursive: true })
    const file = openSync(place, 'wx')
    try {
      writeFileSync(file, `${process.pid} ${hostname()}\n`)
    } catch (error) {
      // The disk is full. A lock without a name would make the next run wait.
      rmSync(place)
      throw error
    } finally {
      closeSync(file)
    }
    return true
  } catch (error) {
    // ENOENT: the process that held the lock has just removed .data/ too.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Describes the process that holds the lock; undefined if there is none, or if it was killed. */
function holderOf(place: string): string | undefined {
  const text = textOf(place)
  if (text === undefined) return undefined
  const [, pid, host] = /^(\d+) (.+)\n$/.exec(text) ?? []
  if (pid === undefined) return isOld(place) ? undefined : 'a process that has just begun'
  // The processes of another machine or container cannot be checked from here.
  if (host !== hostname()) return `process ${pid} on ${host}`
  return isAlive(Number(pid)) ? `process ${pid}` : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: the process is another user's.
    return codeOf(error) === 'EPERM'
  }
}

function isOld(place: string): boolean {
  const made = statSync(place, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return Date.now() - made > namelessMs
}

/** Removes the lock of a killed process, unless a third process has taken it over meanwhile. */
function takeAway(place: string): void {
  const aside = `${place}.${process.pid}`
  const stale = textOf(place)
  try {
    renameSync(place, aside)
  } catch {
    // Another process has removed it.
    return
  }
  if (textOf(aside) === stale) rmSync(aside)
  else renameSync(aside, place)
}

function textOf(place: string): string | undefined {
  try {
    return readFileSync(place, 'utf8')
  } catch {
    return undefined
  }
}
