import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { faultsOfEnvFile } from './environment.ts'
import { say } from './screen.ts'
import { root } from './service-process.ts'

const longestMs = 30_000

/** What was found last, and of which files. */
let last: { readonly of: string; readonly lines: readonly string[] } | undefined

/**
 * Says what is wrong with a service that starts nevertheless: lines and names of `.env`, and a schema without a migration. Says
 * nothing once `signal` is aborted.
 */
export async function sayWarnings(signal: AbortSignal): Promise<void> {
  const of = await fingerprint()
  const lines = last?.of === of ? last.lines : await look(signal)
  if (signal.aborted) return
  last = { of, lines }
  for (const line of [...faultsOfEnvFile(), ...lines]) say(`warning: ${line}`)
}

/** If warn.ts fails, so does the service, and says why. */
function look(signal: AbortSignal): Promise<string[]> {
  const args = ['--import', 'tsx', 'scripts/dev/warn.ts']
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, signal, timeout: longestMs }, (_error, stdout) =>
      resolve(stdout.split('\n').filter((line) => line !== '')),
    )
  })
}

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256')
  const below = await readdir(join(root, 'src'), { recursive: true })
  const schemas = below.filter((path) => path.endsWith('.schema.ts')).map((path) => join('src', path))
  for (const path of ['.env', 'src/config.ts', 'drizzle/meta/_journal.json', ...schemas.sort()]) {
    hash.update(`${path}\n`).update(await readFile(join(root, path)).catch(() => ''))
  }
  return hash.digest('hex')
}
