#!/usr/bin/env node
// What npm starts. An old Node could not load main.js, and would print a screenful of it.
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { URL } from 'node:url'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const least = engines.node.replace('>=', '')
const ordered = (version) =>
  version
    .split('.')
    .slice(0, 2)
    .map((part) => part.padStart(4, '0'))
    .join('.')
if (ordered(process.versions.node) < ordered(least)) {
  process.stderr.write(
    `create-mainstem: Node ${process.versions.node} is too old: install Node ${least} or newer (https://nodejs.org)\n`,
  )
  process.exitCode = 1
} else {
  await import('./main.js')
}
