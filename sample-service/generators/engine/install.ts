import { spawn } from 'node:child_process'
import type { PackageManager } from '../../scripts/dev/packages.ts'

/** Runs the manager's `install` in `root`; its output goes to stderr. Ctrl-C reaches the manager too and ends it. */
export async function install(manager: PackageManager, root: string): Promise<void> {
  const child = spawn(manager, ['install'], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    // On Windows a package manager is a .cmd file, which only a shell can start.
    shell: process.platform === 'win32',
  })
  const code = await new Promise<number | string | null>((resolve) => {
    child.once('error', ({ message }) => resolve(message))
    child.once('close', resolve)
  })
  if (code === 0) return
  const why = typeof code === 'string' ? code : `exit code ${code ?? 'none'}`
  throw new Error(`The code is added, but ${manager} install failed (${why}): run it again.`)
}
