// `node scripts/installed.js && …` in package.json: a shell would only say that it does not find the program.
import { readFileSync } from 'node:fs'
import { requireInstalled, requireNode } from './missing.js'

requireNode()
const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
requireInstalled(Object.keys({ ...dependencies, ...devDependencies }))
