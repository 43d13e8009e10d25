import type { Context } from '../templates/service/src/context/context.ts'
import { lastLines, runCommand } from './command.ts'
import { errorCode, Failure } from './failure.ts'
import { childEnvironment, installArguments, type PackageManager } from './package-manager.ts'

/**
 * Installs the dependencies of the service in `directory`.
 * @throws Failure with the last lines of the package manager; the cause of ctx when it ends
 */
export async function install(ctx: Context, manager: PackageManager, directory: string): Promise<void> {
  const args = installArguments(manager)
  const line = [manager, ...args].join(' ')
  try {
    const { code, output } = await runCommand(ctx, manager, args, {
      cwd: directory,
      env: childEnvironment(process.env),
    })
    if (code === 0) return
    throw new Failure(
      `${line} failed (${why(output, code)}) and nothing was left behind: ${remedy(output)}`,
      {
        output: lastLines(output, 20),
      },
    )
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    throw new Failure(`${manager} could not be started: install it or choose another with --pm`, {
      cause: error,
    })
  }
}

const offline =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/

function why(output: string, code: number | null): string {
  const network = offline.exec(output)?.[1]
  if (network !== undefined) return `the registry cannot be reached, ${network}`
  return code === null ? 'ended by a signal' : `exit code ${code}`
}

function remedy(output: string): string {
  return offline.test(output)
    ? 'check the network and run this again, or create with --no-install and install later'
    : 'see its output, or create with --no-install and install by hand'
}
