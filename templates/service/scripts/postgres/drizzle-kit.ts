import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** drizzle-kit takes a second or two; one that takes longer than this is stuck. */
const longestMs = 60_000

/** The path of the drizzle-kit program of the service in `root`. */
export function drizzleKitProgram(root: string): string {
  return join(dirname(createRequire(join(root, 'package.json')).resolve('drizzle-kit')), 'bin.cjs')
}

/** `asked`: it needs to ask whether a table or a column was renamed, which it does only in a terminal. */
export type Generated = 'made' | 'no change' | 'no schema' | 'asked'

/**
 * Runs `drizzle-kit generate` of the service in `root`; reports whether it made a migration, or why it made none.
 * @param options.cwd the folder that holds drizzle.config.ts, src/ and drizzle/
 * @param options.args further arguments
 * @throws Error of one sentence if drizzle-kit fails, or ends because of `signal`
 */
export async function generate(
  root: string,
  { cwd, args, signal }: { cwd: string; args: readonly string[]; signal?: AbortSignal | undefined },
): Promise<Generated> {
  const child = spawn(process.execPath, [drizzleKitProgram(root), 'generate', ...args], {
    cwd,
    signal,
    timeout: longestMs,
    killSignal: 'SIGKILL',
    // Without a terminal it cannot ask whether a table was renamed, and fails instead of waiting.
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  // drizzle-kit exits with 0 after most failures, so success is read from its output.
  if (output.includes('Your SQL migration')) return 'made'
  if (output.includes('nothing to migrate')) return 'no change'
  if (output.includes('No schema files found')) return 'no schema'
  if (output.includes('Interactive prompts require a TTY')) return 'asked'
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const why =
    lines.find((line) => /^\s*\w*Error\b/.test(line)) ?? lines.at(-1) ?? `exit code ${code ?? 'none'}`
  throw new Error(
    `drizzle-kit could not make the migration (${why.trim().replace(/\s+/g, ' ')}): run npm run db:generate for details.`,
  )
}

/** The names of the tables, types, views and so on that a migration creates, changes or drops. */
export function namesIn(sql: string): string[] {
  const statements = /\b(?:TABLE|ON|TYPE|SEQUENCE|VIEW|SCHEMA|ROLE) (?:"\w+"\.)?"(\w+)"/g
  return [...new Set(Array.from(sql.matchAll(statements), ([, name = '']) => name))]
}
