// `npm run lint` runs oxlint and ESLint at once, each on a core of its own. It passes arguments, such as --fix, to ESLint.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import '../installed.js'

const { resolve } = createRequire(import.meta.url)
const args = process.argv.slice(2).filter((arg) => arg !== '--')

async function run(name, program, ...args) {
  const path = join(dirname(resolve(`${name}/package.json`)), program)
  const [code] = await once(spawn(process.execPath, [path, ...args], { stdio: 'inherit' }), 'close')
  return code === 0
}

const eslint = run('eslint', 'bin/eslint.js', '.', '--max-warnings', '0', ...args)
const asksHelp = args.includes('--help') || args.includes('-h')
const passed = await Promise.all(asksHelp ? [eslint] : [run('oxlint', 'bin/oxlint'), eslint])
process.exitCode = passed.every(Boolean) ? 0 : 1
