import { packageManager } from './dev/packages.ts'

/**
 * Replaces npm's commands in a message by those of the service's package manager. pnpm, Yarn and bun need no `--` before the
 * arguments of a script.
 */
export function inOwnCommands(message: string, manager = packageManager()): string {
  if (manager === 'npm') return message
  return (
    message
      // Only Yarn prints nothing of its own before a script.
      .replace(/\bnpm run --silent\b/g, manager === 'yarn' ? 'yarn run' : `${manager} run --silent`)
      .replace(/\bnpm run ([\w:]+)( --(?= ))?/g, `${manager} run $1`)
      // `bun test` is Bun's own test runner.
      .replace(/\bnpm test\b( --(?= ))?/g, manager === 'bun' ? 'bun run test' : `${manager} test`)
      .replace(/\bnpm start\b/g, `${manager} run start`)
      .replace(/\bnpm install\b/g, `${manager} install`)
  )
}
