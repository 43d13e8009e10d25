import { parseArgs } from 'node:util'
import { pieces } from './pieces.ts'
import type { Piece } from './piece.ts'
import { flagsFor } from './prompts.ts'
import { flagFault } from './typed.ts'

const own = [
  'dry-run',
  'diff',
  'json',
  'yes',
  'list',
  'help',
  'remove',
  'drop',
  'merge-record',
  'install',
  'no-install',
] as const

/** A flag that every piece has, or that is used without a piece; help.ts describes it. */
type OwnFlag = (typeof own)[number]

/** What the user typed after `npm run add --`. */
export interface Command {
  /** The piece, its name, and further arguments, which are errors. */
  readonly words: readonly string[]
  /** The answers to the questions of pieces, by flag. */
  readonly answers: Readonly<Record<string, string>>
  readonly flags: ReadonlySet<OwnFlag>
}

/** Throws an Error of one sentence for a flag that no piece has. */
export function commandFrom(args: string[], env: NodeJS.ProcessEnv): Command {
  const { values, positionals } = parse(args.map(withValue))
  const flags = new Set(own.filter((name) => values[name] === true))
  // Without `--` npm takes the flag for itself and only sets this variable.
  if (env['npm_config_dry_run'] === 'true') flags.add('dry-run')
  const asksHelp = positionals[0] === 'help'
  if (asksHelp) flags.add('help')
  return {
    words: asksHelp ? positionals.slice(1) : positionals,
    answers: Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
    ),
    flags,
  }
}

function parse(args: string[]): {
  values: Readonly<Record<string, string | boolean | undefined>>
  positionals: string[]
} {
  const options = optionsOf(pieces)
  try {
    const { values, positionals, tokens } = parseArgs({ args, allowPositionals: true, options, tokens: true })
    refuseTwice(tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : [])))
    return { values: values, positionals }
  } catch (cause) {
    if (cause instanceof GivenTwice) throw cause
    const piece = pieces.find(({ name }) => args.includes(name))
    const names = pieces.map(({ name }) => name).join(', ')
    const instead =
      piece === undefined
        ? `write npm run add -- <piece> [name] [flags], with one of the pieces ${names}.`
        : `npm run add -- ${piece.name} --help lists the flags.`
    const known = optionsOf(piece === undefined ? [] : [piece])
    throw new Error(`${flagFault(cause, known)}: ${instead}`, { cause })
  }
}

/** The options of parseArgs: the flags of these pieces, and those of every piece. */
function optionsOf(some: readonly Piece[]): Record<string, { type: 'string' | 'boolean'; short?: string }> {
  const answers = some.flatMap(flagsFor).map((name) => [name, { type: 'string' }] as const)
  const flags = own.map((name) => [name, { type: 'boolean' }] as const)
  return Object.fromEntries<{ type: 'string' | 'boolean'; short?: string }>([
    ...answers,
    ...flags,
    ['help', { type: 'boolean', short: 'h' }],
  ])
}

/** Adds the value of a flag that is given without one, if the flag allows that. */
function withValue(typed: string, at: number, all: readonly string[]): string {
  const flag = pieces.flatMap(({ flags = [] }) => flags).find(({ name }) => typed === `--${name}`)
  const next = all[at + 1]
  const isAlone = next === undefined || next.startsWith('-')
  return flag?.alone !== undefined && isAlone ? `${typed}=${flag.alone}` : typed
}

class GivenTwice extends Error {}

/** Throws if a flag is given twice: the last value would win, and the others would be lost. */
function refuseTwice(names: readonly string[]): void {
  const twice = names.find((name, at) => !own.some((one) => one === name) && names.indexOf(name) !== at)
  if (twice === undefined) return
  const how = twice === 'fields' ? 'give all fields in one, separated by commas' : 'give it once'
  throw new GivenTwice(`--${twice} is given twice: ${how}.`)
}

/** Throws an Error of one sentence if the command has a flag that the piece lacks, or if npm took one for itself. */
export function refuseFlags(piece: Piece, { answers }: Command, env: NodeJS.ProcessEnv): void {
  const flags = flagsFor(piece)
  const unknown = Object.keys(answers).find((flag) => !flags.includes(flag))
  if (unknown !== undefined) {
    throw new Error(
      `${piece.name} has no flag --${unknown}: npm run add -- ${piece.name} --help lists its flags.`,
    )
  }
  const kept = flags.find(
    (flag) => answers[flag] === undefined && env[`npm_config_${flag.replaceAll('-', '_')}`] !== undefined,
  )
  if (kept !== undefined) {
    throw new Error(`npm took --${kept} for itself: write -- first, as in npm run add -- ${piece.name} …`)
  }
}

/** Throws an Error of one sentence if `--merge-record` has other arguments, which would be ignored. */
export function refuseBeside({ words, answers, flags }: Command): void {
  const isAlone = words.length === 0 && Object.keys(answers).length === 0 && flags.size === 1
  if (!isAlone) throw new Error('--merge-record takes no other argument: write npm run add -- --merge-record')
}
