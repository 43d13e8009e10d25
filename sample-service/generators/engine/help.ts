import { pieces } from './pieces.ts'
import type { Flag, Piece } from './piece.ts'
import { flagsFor } from './prompts.ts'

/** What `npm run add -- --list` prints: each piece on one line. */
export function listOfPieces(): string {
  return pieces.map(({ name, summary }) => `${name.padEnd(column)}${summary}\n`).join('')
}

/** Where the summaries begin. */
const column = Math.max(...pieces.map(({ name }) => name.length)) + 2

/** What `npm run add -- --list --json` prints. */
export function piecesAsJson(): object[] {
  return pieces.map((piece) => ({ name: piece.name, summary: piece.summary, flags: flagsFor(piece) }))
}

/** What `npm run add -- --help` prints. */
export function usage(): string {
  const lines = pieces.map((piece) => {
    return `  ${piece.name.padEnd(column)}${piece.summary}${flagsOf(piece)}\n`
  })
  return `npm run add -- <piece> [name] [flags] adds code, its tests and its migration to this service.

Pieces:
${lines.join('')}
Flags:
  --dry-run       show the plan and write nothing
  --diff          show all lines of new files
  --json          print the result as JSON
  --yes           ask nothing
  --install       install what package.json gets; --no-install does not ask about it
  --remove        take back what was stamped and wired, if nobody changed it; the table stays
  --drop          with --remove: remove the table too, by a migration
  --merge-record  alone, while git merges two branches: keep the pieces of both in .mainstem.json
  --list          list the pieces
  --help          after a piece: explain it, with examples, as in npm run add -- resource --help
`
}

/** What `npm run add -- <piece> --help` prints. */
export function helpFor(piece: Piece): string {
  const { name, summary, takes, flags = [], explained } = piece
  const { examples = takes === 'nothing' ? [''] : ['invoice'] } = piece
  const word = takes === 'nothing' ? '' : typeof takes === 'string' ? ' <name>' : ` ${takes.join('|')}`
  const plural = takes === 'noun' ? [['plural', 'Its plural. Default: made from the name'] as const] : []
  const described = [...plural, ...flags.map((flag) => [flag.name, describe(flag)] as const)]
  const width = Math.max(...described.map(([flag]) => flag.length))
  return [
    `npm run add -- ${name}${word}${flagsOf(piece)}\n\n${summary}\n`,
    described.map(([flag, text]) => `  --${flag.padEnd(width)}  ${text}\n`).join(''),
    explained ?? '',
    `Examples:\n${examples.map((example) => `  ${`npm run add -- ${name} ${example}`.trimEnd()}\n`).join('')}`,
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** ` [--path …] [--owned]`: the second may stand alone. */
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
