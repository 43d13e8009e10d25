import { execFile, execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { promisify } from 'node:util'

/** Whether processes can be pinned to one core. */
export const canPin = cpus().length > 1 && hasTaskset()

/** The command that runs `program` on one core, if the system can: the server on core 0, the load on core 1. */
export function pinned(core: number, program: string, args: readonly string[]): [string, string[]] {
  return canPin ? ['taskset', ['-c', `${core}`, program, ...args]] : [program, [...args]]
}

/** Whether `program` is installed. It may print its version with any exit code. */
export async function isThere(program: string, ...args: string[]): Promise<boolean> {
  try {
    await promisify(execFile)(program, args)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT')
  }
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
