import { existsSync, readFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context } from '../templates/service/src/context/context.ts'
import { lastLines, execute } from './command.ts'
import { errorCode, Failure } from './failure.ts'
import { childEnvironment, installArguments, lockFiles, type PackageManager } from './package-manager.ts'

/**
 * Installs the dependencies of the service in `directory`.
 * @param root the root of the workspace of which the service is a member: all members are installed
 * @throws Failure with the last lines of the package manager, or naming the dependencies it left out; the cause of ctx when
 * it ends
 */
export async function install(
  ctx: Context,
  manager: PackageManager,
  directory: string,
  root = directory,
): Promise<void> {
  const args = installArguments(manager, root !== directory)
  try {
    // Yarn takes a folder with a lock file for a project of its own. Without one it refuses if a folder above has a package.json.
    if (manager === 'yarn' && root === directory) await appendFile(join(root, 'yarn.lock'), '')
    const env = childEnvironment(process.env)
    const { code, output } = await execute(ctx, manager, args, { cwd: root, env })
    if (code !== 0) {
      throw new Failure(`${manager} install failed (${why(output, code)})`, { output: lastLines(output, 20) })
    }
    // The flags override npm's settings, so nothing can be left out.
    const missing = manager === 'npm' ? undefined : leftOut(directory, root)
    if (missing === undefined) return
    throw new Failure(`${manager} install left out ${missing}, as its settings ask`, {
      output: lastLines(output, 20),
    })
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    throw new Failure(`${manager} could not be started`, { cause: error })
  }
}

/** Names the lock file or the dependencies that a successful install left out; undefined if it wrote all. */
function leftOut(directory: string, root: string): string | undefined {
  if (!lockFiles.some((file) => existsSync(join(root, file)))) return 'the lock file'
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Record<string, object>
  const wanted = Object.keys({ ...manifest['dependencies'], ...manifest['devDependencies'] })
  const isIn = (folder: string, name: string): boolean => existsSync(join(folder, 'node_modules', name))
  const missing = wanted.filter((name) => !isIn(directory, name) && !isIn(root, name))
  if (missing.length === 0) return undefined
  return `${missing.length} of ${wanted.length} dependencies (${missing.slice(0, 3).join(', ')} …)`
}

const offline =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/

function why(output: string, code: number | null): string {
  if (/\b(ENOSPC|EDQUOT)\b/.test(output)) return 'no space is left on the disk'
  const network = offline.exec(output)?.[1]
  if (network !== undefined) return `the registry cannot be reached, ${network}`
  return code === null ? 'ended by a signal' : `exit code ${code}`
}
