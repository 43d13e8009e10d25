import { parseArgs, type ParseArgsConfig } from 'node:util'
import { flagFault } from '../generators/engine/typed.ts'
import { inOwnCommands } from './own-commands.ts'

/** The arguments of this process. Of `pnpm run add -- route report`, pnpm and Yarn also pass on the `--`, which npm removes. */
export function commandLine(): string[] {
  const args = process.argv.slice(2)
  return args[0] === '--' ? args.slice(1) : args
}

/** The flags of `npm run <script>`. Anything else ends this process with one sentence and exit code 1. */
export function readFlags<T extends NonNullable<ParseArgsConfig['options']>>(script: string, options: T) {
  try {
    return parseArgs({ options, args: commandLine() }).values
  } catch (error) {
    const flags = Object.keys(options).map((name) => `--${name}`)
    const takes = flags.length === 0 ? 'takes no arguments' : `takes only ${flags.join(' and ')}`
    console.error(inOwnCommands(`${script}: ${flagFault(error, options)}: npm run ${script} ${takes}`))
    process.exit(1)
  }
}
