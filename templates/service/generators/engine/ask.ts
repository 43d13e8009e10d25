import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { PlopGeneratorConfig } from 'node-plop'
import type { Piece } from './piece.ts'
import { pieces } from './pieces.ts'
import { promptForFlag, promptsFor } from './prompts.ts'

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
