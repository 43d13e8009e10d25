import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readFlags } from '../command-line.ts'
import { root } from './service-process.ts'

const { resolve } = createRequire(import.meta.url)
const tsc = join(dirname(resolve('typescript/package.json')), 'bin/tsc')
const drizzleKit = join(dirname(resolve('drizzle-kit')), 'bin.cjs')

/** The types of the service, then those of what runs in a browser. */
async function checkTypes(): Promise<boolean> {
  return (await passes(tsc, '--noEmit')) && (await passes(tsc, '-p', 'src/browser'))
}

/** The journal of drizzle/, then that each schema has its migration. */
async function checkMigrations(): Promise<boolean> {
  const schema = ['--import', './scripts/tsx.js', 'scripts/postgres/check-schema.ts']
  return (await passes(drizzleKit, 'check')) && (await passes(...schema))
}

/** Whether Node, with these arguments, exits with 0. It writes to this terminal. */
async function passes(...args: string[]): Promise<boolean> {
  const [code] = (await once(spawn(process.execPath, args, { cwd: root, stdio: 'inherit' }), 'close')) as [
    unknown,
  ]
  return code === 0
}

// `npm run check`: both at once, each on a core of its own.
readFlags('check', 'checks the types, and that each schema has its migration', {})
const passed = await Promise.all([checkTypes(), checkMigrations()])
process.exitCode = passed.every(Boolean) ? 0 : 1
