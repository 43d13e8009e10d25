import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { PromptQuestion, PlopGeneratorConfig } from 'node-plop'
import { nameFrom, nounFrom, nounOf } from './nouns.ts'
import type { Flag, Piece } from './piece.ts'
import { pieces } from './pieces.ts'

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

/** Asks which piece to add. All questions reject when `stop` aborts. */
export async function askPiece(stop: AbortSignal): Promise<string> {
  const choices = pieces.map(({ name, summary }) => ({ name: `${name}: ${summary}`, value: name }))
  const list = {
    type: 'list',
    name: 'piece',
    message: 'What to add?',
    choices,
    pageSize: choices.length,
  } as const
  const { piece = '' } = await ask(stop, [list])
  return piece
}

/** Asks for the answers that were not given as flags. */
export async function askAnswers(
  stop: AbortSignal,
  piece: Piece,
  given: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const prompts = promptsFor(piece)
  // plop asks the questions for which the answer is `_`.
  return ask(
    stop,
    prompts,
    prompts.map(({ name = '' }) => given[name] ?? '_'),
  )
}

/** Asks for the flags that have no default and were not given. */
export async function askRequired(
  stop: AbortSignal,
  { name, flags = [] }: Piece,
  given: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const missing = flags.filter((flag) => flag.otherwise === undefined && given[flag.name] === undefined)
  if (missing.length === 0) return {}
  return ask(
    stop,
    missing.map((flag) => promptForFlag(name, flag)),
  )
}

/**
 * Asks with plop. On Ctrl-C inquirer sends its own process a signal and never settles, so `stop` ends the question. The timer
 * keeps the process alive until the signal arrives, because nothing else does once inquirer has released the terminal.
 */
async function ask(
  stop: AbortSignal,
  prompts: PlopGeneratorConfig['prompts'],
  bypass: string[] = [],
): Promise<Record<string, string>> {
  const { default: nodePlop } = await import('node-plop')
  const generator = (await nodePlop()).setGenerator('ask', { prompts })
  const alive = setInterval(() => undefined, 60_000)
  const stopped = once(stop, 'abort').then((): never => {
    throw new Error('stopped')
  })
  try {
    return (await Promise.race([generator.runPrompts(bypass), stopped])) as Record<string, string>
  } finally {
    clearInterval(alive)
  }
}

/** Asks a question whose default answer is yes. */
export async function agrees(stop: AbortSignal, question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await lines.question(`${question} [Y/n] `, { signal: stop })
    return /^(?:y|yes|)$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
