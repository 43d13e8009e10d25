import type { PromptQuestion } from 'node-plop'
import { nameFrom, nounFrom, nounOf } from './nouns.ts'
import type { Flag, Piece } from './piece.ts'

/** The questions of a piece for plop: its name, its plural if it has one, and its flags. */
export function promptsFor(piece: Piece): PromptQuestion[] {
  const flags = (piece.flags ?? []).map((flag) => promptForFlag(piece.name, flag))
  if (piece.takes === 'nothing') return flags
  if (typeof piece.takes !== 'string') {
    return [{ type: 'list', name: 'name', message: 'Which?', choices: [...piece.takes] }, ...flags]
  }
  const name: PromptQuestion = {
    type: 'input',
    name: 'name',
    message: `A ${piece.takes}, such as ${exampleOf(piece)}:`,
    // The plural of a noun is asked next.
    validate: (typed: string) =>
      valid(() => (piece.takes === 'noun' ? nameFrom(typed) : nounOf(piece, { name: typed }))),
  }
  const plural: PromptQuestion = {
    type: 'input',
    name: 'plural',
    message: 'Plural:',
    default: ({ name }: { name: string }) => nounFrom(name).plural,
    validate: (typed: string, answers?: { name: string }) =>
      valid(() => nounFrom(answers?.name ?? '', typed)),
  }
  return piece.takes === 'noun' ? [name, plural, ...flags] : [name, ...flags]
}

/** The flags of a piece on the command line: each of its questions except the name. */
export function flagsFor(piece: Piece): string[] {
  return promptsFor(piece).flatMap(({ name }) => (name === undefined || name === 'name' ? [] : [name]))
}

/** The name in the first example of `piece`. */
function exampleOf({ examples = ['invoice'] }: Piece): string {
  return examples[0].replace(/ .*$/, '')
}

/** The question for a flag. */
export function promptForFlag(piece: string, { name, asks, otherwise, check }: Flag): PromptQuestion {
  return {
    type: 'input',
    name,
    message: `${asks}:`,
    default: ({ name: noun = piece, plural }: { name?: string; plural?: string }) =>
      otherwise?.(plural === undefined ? nameFrom(noun) : nounFrom(noun, plural)),
    validate: (typed: string) => valid(() => check(typed)),
  }
}

/** The result that plop expects from `validate`: true, or the message to show. */
function valid(parse: () => unknown): true | string {
  try {
    parse()
    return true
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
