// Runs vitest in this process, without the leading `--` that pnpm and Yarn pass on: vitest ignores everything after it.
// JavaScript, since vitest must not inherit a loader for TypeScript.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import '../installed.js'
import '../loopback.js'

const dash = process.argv.indexOf('--')
if (dash > 0) process.argv.splice(dash, 1)
// Passes for a service without tests of its own. If the user names files and vitest finds none, the name is mistyped.
const named = process.argv.slice(3).some((argument) => !argument.startsWith('-'))
if (named) process.argv = process.argv.filter((argument) => argument !== '--passWithNoTests')
const { resolve } = createRequire(import.meta.url)
const folder = dirname(resolve('vitest/package.json'))
try {
  await import(pathToFileURL(join(folder, 'vitest.mjs')).href)
} catch (error) {
  if (error?.name !== 'CACError') throw error
  // CACError: the command line is wrong, for example an unknown option.
  process.stderr.write(`test: ${error.message}: npx vitest --help lists its options\n`)
  process.exitCode = 1
}
