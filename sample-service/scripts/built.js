// `node --import ./scripts/built.js dist/main.js`: Node would only say that it does not find the module.
import { existsSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { endWith, manager, refuseArguments, requireInstalled, requireNode } from './missing.js'

requireNode()
// A process that the service forks preloads this file, too, and may take arguments.
if (process.argv[1]?.replaceAll('\\', '/').endsWith('/dist/main.js')) {
  const variables = `${manager} run config prints the variables that it reads`
  refuseArguments(process.argv.slice(2), 'start', `runs dist/main.js; ${variables}`)
}
if (!existsSync('dist/main.js')) endWith('dist/main.js is missing', 'run build')
// A production install leaves out the devDependencies.
requireInstalled(Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies))
