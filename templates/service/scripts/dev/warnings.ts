import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { filesBelow } from '../files-below.ts'
import { faultsOfEnvFile } from './environment.ts'
import { fingerprint } from './fingerprint.ts'
import { say } from './screen.ts'
import { root } from './service-process.ts'

const longestMs = 30_000

/** The checks of warn.ts, with the files that each reads: drizzle-kit takes seconds, and need not run when `.env` changes. */
const checks = {
  names: () => Promise.resolve(['.env', 'src/config.ts']),
  schema: async () => {
    const schemas = (await filesBelow(join(root, 'src'))).filter((path) => path.endsWith('.schema.ts'))
    return ['drizzle/meta/_journal.json', ...schemas.map((path) => `src/${path}`)]
  },
} as const

/** The last result of each check, with a fingerprint of its files. */
const last = new Map<string, { readonly of: string; readonly lines: readonly string[] }>()

/**
 * Warns of faults that do not keep the service from starting: lines and names of `.env`, and a schema without a migration. Prints
 * nothing once `signal` is aborted.
 */
export async function sayWarnings(signal: AbortSignal): Promise<void> {
  const found = [...faultsOfEnvFile()]
  for (const [check, files] of Object.entries(checks)) {
    const of = await fingerprint(await files())
    const before = last.get(check)
    const lines = before?.of === of ? before.lines : await look(check, signal)
    if (signal.aborted) return
    last.set(check, { of, lines })
    found.push(...lines)
  }
  for (const line of found) say(`warning: ${line}`)
}

/** Returns the warnings of one check. If warn.ts fails, there are none: the service then fails too, and reports why. */
function look(check: string, signal: AbortSignal): Promise<string[]> {
  const args = ['--import', 'tsx', 'scripts/dev/warn.ts', check]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, signal, timeout: longestMs }, (_error, stdout) =>
      resolve(stdout.split('\n').filter((line) => line !== '')),
    )
  })
}
