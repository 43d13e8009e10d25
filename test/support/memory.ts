import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'

const memory = '/dev/shm'

/** Far more than the tests of a run need at once: databases, services and the packages of one. */
const room = 8 * 2 ** 30

/**
 * Puts the temporary files of this process and its children into memory, if Linux has room there: a service has 500 files, and
 * writing them to a disk takes most of the time of a creation or a copy. They are removed with the process.
 */
export function keepTemporaryFilesInMemory(): void {
  const folder = folderInMemory()
  if (folder === undefined) return
  process.env['TMPDIR'] = folder
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
}

function folderInMemory(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(memory)
    if (bavail * bsize < room || freemem() < room) return undefined
    const folder = mkdtempSync(join(memory, 'mainstem-test-'))
    // Like the system's own folder, since PostgreSQL runs as another user if this process is root.
    chmodSync(folder, 0o1777)
    const program = join(folder, 'program')
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
    // In a container programs often may not run there.
    if (spawnSync(program).status === 0) return folder
    rmSync(folder, { recursive: true })
    return undefined
  } catch {
    // There is no such folder, or this user may not use it.
    return undefined
  }
}
