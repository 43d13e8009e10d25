import type { ActionType, NodePlopAPI, PromptQuestion } from 'node-plop'
import { refuseClashes } from './clash.ts'
import { client } from './client/piece.ts'
import { configure } from './configure.ts'
import { depend } from './depend.ts'
import { guarantee } from './guarantee.ts'
import { job } from './job/piece.ts'
import { addMember } from './members.ts'
import { migrate } from './migration.ts'
import { nameFrom, nounFrom, stampNames, type Noun } from './names.ts'
import type { Flag, Flags, Member, Piece, Wiring } from './piece.ts'
import type { Plan } from './plan.ts'
import { resource } from './resource/piece.ts'
import { route } from './route/piece.ts'
import { schedule } from './schedule/piece.ts'
import { stamp, stampMissing } from './stamp.ts'
import { storage } from './storage/piece.ts'
import { upload } from './upload/piece.ts'
import { wire } from './wire.ts'

/** What `npm run add` offers. */
const pieces: readonly Piece[] = [route, resource, upload, job, schedule, client, storage]

/** What the actions of one run share. `add.ts` gives it beside the answers. */
export interface Run {
  /** As it was typed. */
  name: string
  plural?: string
  plan: Plan
  /** Aborted when the person who runs the command has had enough. */
  signal: AbortSignal
}

/**
 * plop's own file: what `npm run add` does. How to change a piece, and how to add one: docs/generators.md.
 *
 * plop drives the questions and the order of the actions. The actions are ours: they plan, and `add.ts` writes the whole plan or
 * nothing of it; nor are contents templates, but TypeScript that says widget where your noun will stand.
 */
export default function plopfile(plop: NodePlopAPI): void {
  plop.setActionType('stamp', async (answers, config) => {
    const { piece, noun, flags } = config as unknown as { piece: Piece; noun: Noun; flags: Flags }
    await stamp(runOf(answers).plan, piece, noun, flags)
    await refuseClashes(runOf(answers).plan)
    return piece.name
  })
  plop.setActionType('need', async (answers, config) => {
    const { piece } = config as unknown as { piece: Piece }
    await stampMissing(runOf(answers).plan, piece)
    return piece.name
  })
  plop.setActionType('wire', async (answers, config) => {
    const { wiring } = config as unknown as { wiring: Wiring }
    await wire(runOf(answers).plan, wiring)
    return wiring.file
  })
  plop.setActionType('member', async (answers, config) => {
    const { member } = config as unknown as { member: Member }
    await addMember(runOf(answers).plan, member)
    return member.file
  })
  plop.setActionType('depend', async (answers, config) => {
    const { dependencies } = config as unknown as { dependencies: Readonly<Record<string, string>> }
    await depend(runOf(answers).plan, dependencies)
    return 'package.json'
  })
  plop.setActionType('migrate', async (answers, config) => {
    const { plan, signal } = runOf(answers)
    const { noun } = config as unknown as { noun: Noun }
    await migrate(plan, noun.plural.replaceAll('-', '_'), signal)
    return 'drizzle'
  })
  plop.setActionType('guarantee', async (answers) => {
    await guarantee(runOf(answers).plan)
    return 'docs'
  })
  plop.setActionType('configure', async (answers) => {
    await configure(runOf(answers).plan)
    return 'README.md'
  })

  for (const piece of pieces) {
    plop.setGenerator(piece.name, {
      description: piece.summary,
      prompts: promptsOf(piece),
      actions: (answers) => actionsOf(piece, runOf(answers)),
    })
  }
}

/** The questions for what was not given on the command line. */
function promptsOf(piece: Piece): PromptQuestion[] {
  if (typeof piece.takes !== 'string') {
    return [{ type: 'list', name: 'name', message: 'Which?', choices: [...piece.takes] }]
  }
  const name = {
    type: 'input',
    name: 'name',
    message: piece.takes === 'noun' ? 'A noun, such as invoice:' : 'A name, such as exchange-rate:',
    validate: (typed: string) => valid(() => nameFrom(typed)),
  }
  const plural = {
    type: 'input',
    name: 'plural',
    message: 'Its plural:',
    default: ({ name }: { name: string }) => nounFrom(name).plural,
    validate: (typed: string, answers?: { name: string }) =>
      valid(() => nounFrom(answers?.name ?? '', typed)),
  }
  const flags = (piece.flags ?? []).map(promptOf)
  return piece.takes === 'noun' ? [name, plural, ...flags] : [name, ...flags]
}

function promptOf({ name, asks, otherwise, check }: Flag): PromptQuestion {
  return {
    type: 'input',
    name,
    message: `${asks}:`,
    default: (answers: { name: string; plural?: string }) =>
      otherwise?.(
        answers.plural === undefined ? nameFrom(answers.name) : nounFrom(answers.name, answers.plural),
      ),
    validate: (typed: string) => valid(() => check(typed)),
  }
}

function valid(parse: () => unknown): true | string {
  try {
    parse()
    return true
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function actionsOf(piece: Piece, run: Run): ActionType[] {
  const { name, plural } = run
  if (typeof piece.takes !== 'string' && !piece.takes.includes(name)) {
    throw new Error(`There is no ${piece.name} "${name}": choose one of ${piece.takes.join(', ')}.`)
  }
  const noun = piece.takes === 'noun' ? nounFrom(name, plural) : nameFrom(name)
  const flags = flagsOf(piece, run, noun)
  const { needs } = piece
  return [
    ...(needs ? [{ type: 'need', piece: needs } as ActionType, ...callsOf(needs, noun)] : []),
    { type: 'stamp', piece, noun, flags } as ActionType,
    ...callsOf(piece, noun),
    ...(piece.members?.(noun, flags) ?? []).map(
      (member) => ({ type: 'member', member }) as unknown as ActionType,
    ),
    ...(piece.migration ? [{ type: 'migrate', noun } as ActionType] : []),
    { type: 'guarantee' },
    { type: 'configure' },
  ]
}

/** What changes in files that are there. */
function callsOf({ wirings, dependencies }: Piece, noun: Noun): ActionType[] {
  return [
    ...wirings.map((wiring) => ({ type: 'wire', wiring: stampWiring(wiring, noun) }) as ActionType),
    ...(dependencies ? [{ type: 'depend', dependencies } as unknown as ActionType] : []),
  ]
}

/** Each flag as it was said, or as it is taken instead. Throws for what one cannot be. */
function flagsOf({ flags = [] }: Piece, run: Run, noun: Noun): Flags {
  const said = run as unknown as Readonly<Record<string, string | undefined>>
  return Object.fromEntries(
    flags.map(({ name, asks, otherwise, check }) => {
      const value = said[name] ?? otherwise?.(noun)
      if (value === undefined) throw new Error(`Say --${name}. ${asks}.`)
      check(value)
      return [name, value]
    }),
  )
}

function stampWiring(wiring: Wiring, noun: Noun): Wiring {
  return { ...wiring, call: stampNames(wiring.call, noun), from: stampNames(wiring.from, noun) }
}

function runOf(answers: unknown): Run {
  return answers as Run
}
