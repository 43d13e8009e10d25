// `node scripts/installed.js && …` in package.json: a shell would only say that it does not find the program.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { endForLackOf } from './missing.js'

/** In node_modules here, or of a workspace around. */
function isInstalled(name, folder = process.cwd()) {
  if (existsSync(join(folder, 'node_modules', name))) return true
  return folder !== dirname(folder) && isInstalled(name, dirname(folder))
}

const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const missing = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !isInstalled(name))
if (missing.length > 0) endForLackOf(missing)
