import { parseArgs, type ParseArgsConfig } from 'node:util'
import { flagFault } from '../generators/engine/typed.ts'
import { inOwnCommands } from './own-commands.ts'

/** The arguments of this process. pnpm and Yarn also pass on the `--` of `pnpm run add -- route report`, which npm removes. */
export function commandLine(): string[] {
  const args = process.argv.slice(2)
  return args[0] === '--' ? args.slice(1) : args
}

/**
 * Returns the flags of `npm run <script>`. For `--help` it prints what the script `does`, and exits. For an unknown argument it
 * prints what is wrong, and exits with 1.
 */
export function readFlags<T extends NonNullable<ParseArgsConfig['options']>>(
  script: string,
  does: string,
  options: T,
) {
  const args = commandLine()
  const flags = Object.keys(options).map((name) => `--${name}`)
  if (args.some((arg) => ['--help', '-h', 'help'].includes(arg))) {
    const shown = flags.length === 0 ? '' : ` [-- ${flags.join('|')}]`
    console.log(inOwnCommands(`npm run ${script}${shown} ${does}.`))
    process.exit(0)
  }
  try {
    return parseArgs({ options, args }).values
  } catch (error) {
    const takes = flags.length === 0 ? 'takes no arguments' : `takes only ${flags.join(' and ')}`
    console.error(inOwnCommands(`${script}: ${flagFault(error, options)}: npm run ${script} ${takes}`))
    process.exit(1)
  }
}
