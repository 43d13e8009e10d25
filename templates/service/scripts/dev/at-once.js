// `node scripts/dev/at-once.js "<command>" "<command>" -- <arguments>`: runs the commands at once, each on a core of its own, and
// fails if one of them does. The arguments are for the last one: `npm run lint -- --fix`. Each finds the programs that npm finds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import '../installed.js'

const given = process.argv.slice(2)
const dash = given.includes('--') ? given.indexOf('--') : given.length
// pnpm and Yarn pass on a `--` of their own.
const args = given.slice(dash).filter((arg) => arg !== '--')
const commands = given.slice(0, dash)
commands.push([commands.pop(), ...args.map((arg) => JSON.stringify(arg))].join(' '))

const codes = await Promise.all(
  commands.map(async (command) => {
    const [code] = await once(spawn(command, { shell: true, stdio: 'inherit' }), 'close')
    return code
  }),
)
process.exitCode = codes.every((code) => code === 0) ? 0 : 1
