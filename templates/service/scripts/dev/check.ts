import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { readFlags } from '../command-line.ts'
import { drizzleKitProgram } from '../postgres/drizzle-kit.ts'
import { root } from './service-process.ts'

const { resolve } = createRequire(import.meta.url)
/** tsc itself cannot detect the terminal, because its output is a pipe. */
const pretty = process.stdout.isTTY ? 'true' : 'false'
const tsc = [join(dirname(resolve('typescript/package.json')), 'bin/tsc'), '--pretty', pretty]

/** Checks the types of the service. tsc keeps the result, so the next check looks only at what a change affects. */
function checkTypes(): Promise<boolean> {
  return passes(...tsc, '--noEmit', '--incremental', '--tsBuildInfoFile', '.data/check.tsbuildinfo')
}

/** Checks the types of the code for browsers, the journal of drizzle/, and that each schema has its migration. */
async function checkRest(): Promise<boolean> {
  const schema = ['--import', './scripts/tsx.js', 'scripts/postgres/check-schema.ts']
  const browser = await passes(...tsc, '-p', 'src/browser')
  return (await passes(drizzleKitProgram(root), 'check')) && (await passes(...schema)) && browser
}

/**
 * Runs Node with these arguments. Returns whether it exits with 0. Prints its stdout only if not, since drizzle-kit reports
 * success even if the types are wrong.
 */
async function passes(...args: string[]): Promise<boolean> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['inherit', 'pipe', 'inherit'] })
  const closed = once(child, 'close') as Promise<[unknown]>
  const [output, [code]] = await Promise.all([text(child.stdout), closed])
  if (code !== 0) process.stdout.write(output)
  return code === 0
}

// `npm run check` runs both at once, each on a core of its own.
readFlags('check', 'checks the types, and that each schema has its migration', {})
const passed = await Promise.all([checkTypes(), checkRest()])
process.exitCode = passed.every(Boolean) ? 0 : 1
