// `node --import ./scripts/built.js dist/main.js`: Node would only say that it does not find the module.
import { existsSync, readFileSync } from 'node:fs'
import { endWith, requireInstalled, requireNode } from './missing.js'

requireNode()
if (!existsSync('dist/main.js')) endWith('dist/main.js is missing', 'run build')
// A production install leaves out the devDependencies.
requireInstalled(Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies))
