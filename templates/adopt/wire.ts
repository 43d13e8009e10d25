import { readFileSync, writeFileSync } from 'node:fs'
import { allPieces, load, root, type Noun, type Piece } from './generators.ts'

/*
 * `update` runs this in a copy of a service of any version: it reads texts of the service's files from the JSON file that is
 * named on the command line, wires the stamped pieces into them as the service's own generators do, and writes the texts back.
 */

interface Wish {
  pieces: readonly { piece: string; noun?: string; plural?: string; flags: Record<string, string> }[]
  /** The wiring follows the order of the calls in `like`, in which they were added. */
  texts: Record<string, { text: string; like: string }>
}

/** One call or property, and its position in `like`. */
interface Step {
  file: string
  word: string
  isFirst: boolean
  take: (plan: object) => Promise<void>
}

type Change = (plan: object, what: object) => Promise<void>

const { wire } = (await load('wire.ts')) as { wire: Change }
const { addMember } = (await load('members.ts')) as { addMember?: Change }
const { stampNames } = (await load('names.ts')) as { stampNames: (text: string, noun: Noun) => string }

function stepsOf(piece: Piece, noun: Noun, flags: Record<string, string>): Step[] {
  const calls = (piece.wirings ?? []).map((wiring): Step => {
    const call = stampNames(wiring.call, noun)
    const named = { ...wiring, call, from: stampNames(wiring.from, noun) }
    const take = (plan: object): Promise<void> => wire(plan, named)
    return { file: wiring.file, word: call, isFirst: wiring.as === 'first item', take }
  })
  const members = (piece.members?.(noun, flags) ?? []).map((member): Step => {
    const take = async (plan: object): Promise<void> => addMember?.(plan, member)
    return { file: member.file, word: member.name, isFirst: false, take }
  })
  return [...calls, ...members]
}

/** In the order of the calls in `like`. Elements that go to the front were added in the opposite order. */
function inOrder(steps: readonly Step[], like: string): Step[] {
  const place = ({ word, isFirst }: Step): number => {
    const at = like.search(new RegExp(`\\b${word}\\b(?!.* from )`))
    return at === -1 ? Number.MAX_SAFE_INTEGER : isFirst ? -at : at
  }
  return [...steps].sort((a, b) => place(a) - place(b))
}

const [path = ''] = process.argv.slice(2)
const { pieces, texts } = JSON.parse(readFileSync(path, 'utf8')) as Wish
const known = await allPieces()
const steps = pieces.flatMap(({ piece: name, noun = name, plural = noun, flags }) => {
  const found = known.find((one) => one.name === name)
  const piece = found?.variant?.(flags) ?? found
  return piece === undefined ? [] : stepsOf(piece, { singular: noun, plural }, flags)
})
const wired: Record<string, string> = {}
for (const [file, { text, like }] of Object.entries(texts)) {
  let now = text
  const plan = {
    root,
    // The generators note the files to format there; the caller formats them.
    rewritten: new Map(),
    read: () => Promise.resolve(now),
    edit: (_: string, after: string) => Promise.resolve(void (now = after)),
  }
  for (const { take } of inOrder(
    steps.filter((one) => one.file === file),
    like,
  )) {
    // A place that this version of the file lacks: the call is not wired there.
    await take(plan).catch(() => undefined)
  }
  wired[file] = now
}
writeFileSync(path, JSON.stringify(wired))
