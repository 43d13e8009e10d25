import { pieces } from './pieces.ts'
import type { Flag, Piece } from './piece.ts'
import { flagsFor } from './prompts.ts'

/** The usual width of a terminal. */
const columns = 80

/** What `npm run add -- --list` prints: each piece on one line. */
export function listOfPieces(): string {
  return pieces.map(({ name, summary }) => `${name.padEnd(column)}${summary}\n`).join('')
}

/** The column in which the summaries begin. */
const column = Math.max(...pieces.map(({ name }) => name.length)) + 2

/** What `npm run add -- --list --json` prints. */
export function piecesAsJson(): object[] {
  return pieces.map((piece) => ({ name: piece.name, summary: piece.summary, flags: flagsFor(piece) }))
}

/** What `npm run add -- --help` prints. */
export function usage(): string {
  const lines = pieces.map(({ name, summary }) => `  ${name.padEnd(column)}${summary}\n`)
  return `npm run add -- <piece> [name] [flags]

Adds code to this service, with its tests and its migration.

Pieces (npm run add -- resource --help explains one and lists its flags):
${lines.join('')}
Flags of every piece:
  --dry-run       show the plan and write nothing
  --diff          show each line of the new files
  --json          print the result as JSON
  --yes           ask nothing
  --install       install the packages that the piece adds (or --no-install)
  --remove        remove the piece, unless you changed it; its table stays
  --drop          with --remove: also write a migration that drops its table
  --merge-record  alone, while git merges: keep the pieces of both branches
  --list          list the pieces
  --help          print this
`
}

/** What `npm run add -- <piece> --help` prints. */
export function helpFor(piece: Piece): string {
  const { name, summary, takes, flags = [], explained } = piece
  const { examples = takes === 'nothing' ? [''] : ['invoice'] } = piece
  const word = takes === 'nothing' ? '' : typeof takes === 'string' ? ' <name>' : ` ${takes.join('|')}`
  const plural = takes === 'noun' ? [['plural', 'Plural of the name. Default: made from it'] as const] : []
  const described = [...plural, ...flags.map((flag) => [flag.name, describe(flag)] as const)]
  const width = Math.max(...described.map(([flag]) => flag.length))
  return [
    `npm run add -- ${name}${word}${flagsOf(piece)}\n\n${summary}\n`,
    described.map(([flag, text]) => hanging(`  --${flag.padEnd(width)}  `, text)).join(''),
    explained ?? '',
    `Examples:\n${examples.map((example) => typed(`  npm run add -- ${name} ${example}`.trimEnd())).join('')}`,
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** `text` after `start`, in lines that fit a terminal, each aligned with the first word. */
function hanging(start: string, text: string): string {
  const lines = ['']
  for (const [word] of text.matchAll(/"[^"]*"\S*|\S+/g)) {
    const line = `${lines.at(-1) ?? ''} ${word}`.trimStart()
    if (start.length + line.length < columns) lines[lines.length - 1] = line
    else lines.push(word)
  }
  return `${start}${lines.join(`\n${' '.repeat(start.length)}`)}\n`
}

/** A command for a shell. If it is too long for one line, each flag gets a line. */
function typed(line: string): string {
  return `${line.length < columns ? line : line.replaceAll(/ (?=--[a-z])/g, ' \\\n    ')}\n`
}

/** ` [--path …] [--owned]`: the second may be given without a value. */
function flagsOf(piece: Piece): string {
  const alone = (piece.flags ?? []).filter((flag) => flag.alone !== undefined).map(({ name }) => name)
  return flagsFor(piece)
    .map((flag) => ` [--${flag}${alone.includes(flag) ? '' : ' …'}]`)
    .join('')
}

function describe({ asks, otherwise }: Flag): string {
  const usual = otherwise?.({ singular: '<name>', plural: '<names>' })
  return `${asks}. ${usual === undefined ? 'Required' : `Default: ${usual}`}`
}
