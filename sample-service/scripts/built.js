// `node --import ./scripts/built.js dist/main.js` prints what to do if the build is missing; Node alone prints only that it
// cannot find the module.
import { existsSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { endWith, manager, requireInstalled, requireNode } from './missing.js'

requireNode()
readArguments()
if (!existsSync('dist/main.js')) endWith('dist/main.js is missing', 'run build')
// A production install leaves out the devDependencies.
requireInstalled(Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies))

/** Ends this process if there are arguments: the program reads none and would ignore them. */
function readArguments() {
  // A process that the service forks also preloads this file, and may take arguments.
  if (!process.argv[1]?.replaceAll('\\', '/').endsWith('/dist/main.js')) return
  // pnpm and Yarn also pass on the `--`, which npm removes.
  const [first] = process.argv.slice(2).filter((argument) => argument !== '--')
  if (first === undefined) return
  const asksHelp = ['--help', '-h', 'help'].includes(first)
  const does = `runs dist/main.js; ${manager} run config prints the variables that it reads`
  if (asksHelp) process.stdout.write(`${manager} start ${does}.\n`)
  else process.stderr.write(`start: Unknown argument '${first}': ${manager} start takes no arguments\n`)
  process.exit(asksHelp ? 0 : 1)
}
