// `node --import ./scripts/built.js dist/main.js`: Node would only say that it does not find the module.
import { existsSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { requireInstalled } from './missing.js'

if (!existsSync('dist/main.js')) {
  const [manager] = (process.env.npm_config_user_agent || 'npm').split('/')
  process.stderr.write(`dist/main.js is missing: run ${manager} run build first\n`)
  process.exit(1)
}
// A production install leaves out the devDependencies.
requireInstalled(Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies))
