import { refuseClashes } from './clash.ts'
import { configure } from '../after/configure.ts'
import { depend } from '../after/depend.ts'
import { guarantee } from '../after/guarantee.ts'
import { addMember } from '../edit/members.ts'
import { formatRewritten } from '../edit/rewrite.ts'
import { migrate } from '../after/migration.ts'
import type { Noun } from './names.ts'
import { neededBy } from './pieces.ts'
import { nounOf } from './nouns.ts'
import type { Flags, Piece } from './piece.ts'
import { wiringsOf } from './places.ts'
import type { Plan } from './plan.ts'
import { remember, titleOf, type Stamping } from './record.ts'
import { stamp, stampMissing } from './stamp.ts'
import { wire } from '../edit/wire.ts'

/** The answers to the questions of a piece: `name`, `plural` and its flags. A missing answer has its default. */
type Answers = Readonly<Record<string, string | undefined>>

/**
 * Plans every change that adds the piece, and writes nothing. `npm run add` and `npx plop` both call it. Returns the piece and
 * its name for a message: `job send-mail`, with what the user typed if that differs.
 */
export async function planPiece(plan: Plan, piece: Piece, answers: Answers): Promise<string> {
  const noun = nounOf(piece, answers)
  const flags = flagsOf(piece, answers, noun)
  const stampings: Stamping[] = []
  for (const needed of neededBy(piece, flags)) {
    stampings.push(await stampMissing(plan, needed))
    await connect(plan, needed, noun, {})
  }
  stampings.push(await stamp(plan, piece, noun, flags))
  await refuseClashes(plan)
  await connect(plan, piece, noun, flags)
  await formatRewritten(plan)
  if (piece.migration) await migrate(plan, noun.plural.replaceAll('-', '_'))
  await guarantee(plan)
  await configure(plan)
  await remember(plan, stampings)
  const { singular, plural } = noun
  const typed = answers.name?.trim() ?? ''
  const becomes = ['', singular, plural].includes(typed) ? '' : ` ("${typed}" becomes ${singular})`
  return `${titleOf({ piece: piece.name, noun: singular })}${becomes}`
}

/** Plans the calls to the stamped code, the properties, and the changes of package.json. */
async function connect(plan: Plan, piece: Piece, noun: Noun, flags: Flags): Promise<void> {
  const { dependencies = {}, scripts = {} } = piece
  for (const wiring of wiringsOf(piece, noun)) await wire(plan, wiring)
  for (const member of piece.members?.(noun, flags) ?? []) await addMember(plan, member)
  await depend(plan, dependencies, scripts)
}

function flagsOf({ flags = [] }: Piece, answers: Answers, noun: Noun): Flags {
  return Object.fromEntries(
    flags.map(({ name, asks, otherwise, check }) => {
      const value = answers[name] ?? otherwise?.(noun)
      if (value === undefined)
        throw new Error(`--${name} is missing: ${asks.charAt(0).toLowerCase()}${asks.slice(1)}.`)
      check(value)
      return [name, value]
    }),
  )
}
