import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allPieces, filesBelow, load, root, type Noun, type Piece } from './generators.ts'

/*
 * `update --adopt` runs this in a copy of a service that has no record yet, of any version: it finds the pieces that were
 * stamped, stamps each again with the service's own generators, and prints the result as JSON.
 */

interface Found {
  piece: Piece
  noun: Noun
  files: string[]
}

const sources = filesBelow(root, ['src', 'test'])

/** The place that shows that a piece was stamped. */
function placesOf(piece: Piece, nounFrom: (word: string) => Noun): Found[] {
  const patterns = filesBelow(piece.folder, ['src', 'test'])
  const telling = patterns.filter((path) => path.includes('widget') && !path.includes('.test.'))
  const [first] = telling
  if (first === undefined) {
    const [word] = Array.isArray(piece.takes)
      ? (piece.takes as string[])
      : piece.takes === 'nothing'
        ? [piece.name]
        : []
    const there = word !== undefined && patterns.every((path) => sources.includes(path))
    return there ? [{ piece, noun: { singular: word, plural: word }, files: patterns }] : []
  }
  const wanted = new RegExp(
    `^${first
      .replace(/[.]/g, '\\.')
      .replace(/widgets?/, '([a-z][a-z0-9-]*)')
      .replace(/widgets?/g, '\\1')}$`,
  )
  return sources.flatMap((path) => {
    const word = wanted.exec(path)?.[1]
    const noun = word === undefined ? undefined : nounOf(word, first.includes('widgets'), nounFrom)
    if (noun === undefined) return []
    const stamped = (one: string): string =>
      one.replaceAll('widgets', noun.plural).replaceAll('widget', noun.singular)
    if (!telling.every((one) => sources.includes(stamped(one)))) return []
    return [{ piece, noun, files: patterns.map(stamped).filter((one) => sources.includes(one)) }]
  })
}

function nounOf(word: string, isPlural: boolean, nounFrom: (word: string) => Noun): Noun | undefined {
  if (!isPlural) return { singular: word, plural: word }
  try {
    const noun = nounFrom(word)
    return noun.plural === word ? noun : undefined
  } catch {
    return undefined
  }
}

/** What the user says about a piece with `--piece`. */
interface Said {
  piece: string
  noun?: string
  flags: Record<string, string>
}

function saidOf({ piece, noun }: Found): Said | undefined {
  return said.find((one) => one.piece === piece.name && (one.noun ?? noun.singular) === noun.singular)
}

/** The flags from the user or from the stamped code; unknown ones keep their defaults. */
function flagsOf(found: Found): Record<string, string> {
  const { piece, noun, files } = found
  const text = [...files, 'src/config.ts'].map((path) => readFileSync(join(root, path), 'utf8')).join('\n')
  const variable = `${noun.singular.replaceAll('-', '_').toUpperCase()}_URL`
  const known: Record<string, string | undefined> = {
    method: /\bmethod: '([A-Z]+)'/.exec(text)?.[1],
    path: /\bpath: '(\/[^']*)'/.exec(text)?.[1],
    cron: /\bcron: '([^']+)'/.exec(text)?.[1] ?? /'((?:[\d*/,-]+ ){4}[\d*/,-]+)'/.exec(text)?.[1],
    // Its first text may be the pattern that `url` shows.
    'base-url': (new RegExp(`${variable}[\\s\\S]{0,300}?default\\('(https?://[^']+)'`).exec(text) ??
      new RegExp(`${variable}[\\s\\S]{0,200}?'(https?://[^']+)'`).exec(text))?.[1],
    ...saidOf(found)?.flags,
  }
  return Object.fromEntries(
    (piece.flags ?? []).flatMap(({ name, otherwise }) => {
      const value =
        known[name] ??
        (typeof otherwise === 'function' ? (otherwise as (noun: Noun) => string)(noun) : undefined)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** A plan in which no file is in the way. */
function emptyPlan(): { plan: object; texts: Map<string, string> } {
  const texts = new Map<string, string>()
  const write = (path: string, text: string): Promise<void> => Promise.resolve(void texts.set(path, text))
  const plan = {
    root,
    read: (path: string) => Promise.resolve(texts.get(path)),
    add: write,
    edit: write,
    changes: () => [],
  }
  return { plan, texts }
}

const { stamp, stampMissing } = (await load('stamp.ts')) as Record<
  string,
  (...args: unknown[]) => Promise<unknown>
>
const { nounFrom, stampNames } = { ...(await load('names.ts')), ...(await load('nouns.ts')) } as {
  nounFrom: (word: string, plural?: string) => Noun
  stampNames: (text: string, noun: Noun) => string
}
const { said = [] } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as { said?: Said[] }
const pieces = await allPieces()
const entries = new Map<string, object>()

/** A piece that the user names and whose files were moved, found by the service's calls to it. Undefined if there are none. */
function movedPiece({ piece: name, noun: word = name, flags }: Said): Found | undefined {
  const piece = pieces.find((one) => one.name === name)
  if (piece === undefined) return undefined
  const noun = piece.takes === 'noun' ? nounFrom(word, flags['plural']) : { singular: word, plural: word }
  const calls = (piece.wirings ?? []).map(({ file, call }) => ({ file, name: stampNames(call, noun) }))
  const isCalled = [...calls, ...(piece.members?.(noun, flags) ?? [])].some(
    ({ file, name }) => sources.includes(file) && readFileSync(join(root, file), 'utf8').includes(name),
  )
  return isCalled ? { piece, noun, files: [] } : undefined
}

/** The message of an error, for use after a colon. */
function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error)
}

/** Stamps a piece that was found, and keeps the entry. */
async function keep(one: Found): Promise<void> {
  const { piece, noun } = one
  let flags: Record<string, string> = {}
  const isSaid = saidOf(one) !== undefined
  const title = `${piece.name} ${noun.singular}`
  try {
    flags = flagsOf(one)
    const { plan, texts } = emptyPlan()
    await stamp?.(plan, piece, noun, flags)
    // An unknown flag: the code does not show it, and it has no default.
    const unknown = (piece.flags ?? []).map(({ name }) => name).filter((name) => flags[name] === undefined)
    entries.set(title, { piece: piece.name, noun, flags, unknown, isSaid, files: Object.fromEntries(texts) })
    for (const needed of needsOf(piece.variant?.(flags) ?? piece)) await keepNeeded(needed)
  } catch (error) {
    entries.set(title, { piece: piece.name, noun, flags, isSaid, failed: sentenceOf(error) })
  }
}

/** Keeps the entry of a piece that others need, with those of its files that exist. */
async function keepNeeded(piece: Piece, isWhole = false): Promise<void> {
  const { plan, texts } = emptyPlan()
  await stampMissing?.(plan, piece)
  const there = [...texts].filter(([path]) => existsSync(join(root, path)))
  if (isWhole && (there.length === 0 || there.length < texts.size)) return
  entries.set(piece.name, { piece: piece.name, flags: {}, files: Object.fromEntries(there) })
}

function needsOf({ needs }: Piece): Piece[] {
  return needs === undefined ? [] : [needs, ...needsOf(needs)]
}

const found = pieces
  .flatMap((piece) => placesOf(piece, nounFrom))
  .sort((a, b) => b.files.length - a.files.length)
const claimed = new Set<string>()
for (const one of found) {
  if (one.files.some((path) => claimed.has(path))) continue
  for (const path of one.files) claimed.add(path)
  await keep(one)
}
for (const one of said) {
  const { piece, noun = piece } = one
  if (found.some((there) => saidOf(there) === one)) continue
  const failed = (why: string): void => {
    const names = { singular: noun, plural: noun }
    entries.set(`${piece} ${noun}`, { piece, noun: names, flags: {}, isSaid: true, failed: why })
  }
  try {
    const moved = movedPiece(one)
    if (moved === undefined) failed('the service has neither its files nor a call of it')
    else await keep(moved)
  } catch (error) {
    // The word may not be a valid noun for the piece, or a flag may be missing.
    failed(sentenceOf(error))
  }
}
// The team may have moved the files that needed them.
for (const needed of pieces.flatMap(needsOf)) if (!entries.has(needed.name)) await keepNeeded(needed, true)
process.stdout.write(JSON.stringify([...entries.values()]))
