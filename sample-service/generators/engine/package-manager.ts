import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun'

const locks: readonly (readonly [string, PackageManager])[] = [
  ['package-lock.json', 'npm'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
]

/** The package manager that wrote the lock file of the service, or of the workspace around it; without one, the one that runs this. */
export function packageManagerOf(root: string, env: NodeJS.ProcessEnv): PackageManager {
  for (let folder = root; ; folder = dirname(folder)) {
    const lock = locks.find(([file]) => existsSync(join(folder, file)))
    if (lock !== undefined) return lock[1]
    if (dirname(folder) === folder) break
  }
  const running = /^(?:npm|pnpm|yarn|bun)(?=\/)/.exec(env['npm_config_user_agent'] ?? '')?.[0]
  return (running as PackageManager | undefined) ?? 'npm'
}

/**
 * Runs the manager's `install` in `root`; its output goes to stderr. Throws an Error of one sentence if it fails. Ctrl-C reaches
 * the manager too, which ends it.
 */
export async function install(manager: PackageManager, root: string): Promise<void> {
  const child = spawn(manager, ['install'], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    // On Windows a package manager is a .cmd file, which only a shell starts.
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
