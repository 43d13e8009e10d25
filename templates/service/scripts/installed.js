// `node scripts/installed.js && …` in package.json prints what to install; a shell prints only that it cannot find the program.
import { readFileSync } from 'node:fs'
import { requireInstalled, requireNode } from './missing.js'

requireNode()
const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
requireInstalled(Object.keys({ ...dependencies, ...devDependencies }))
