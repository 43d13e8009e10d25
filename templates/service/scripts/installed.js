// `node scripts/installed.js && …` in package.json: a shell would only say that it does not find the program.
// `node scripts/installed.js "…"` then runs that command, and refuses what it would ignore: further arguments.
import { spawn } from 'node:child_process'
import process from 'node:process'
import { refuseArguments, requireEverything } from './missing.js'

const [command, ...args] = process.argv.slice(2)
if (command !== undefined)
  refuseArguments(args, process.env.npm_lifecycle_event ?? command, `runs '${command}'`)
requireEverything()
if (command !== undefined) {
  spawn(command, { shell: true, stdio: 'inherit' }).on('close', (code) => (process.exitCode = code ?? 1))
}
