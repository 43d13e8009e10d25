import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allPieces, filesBelow, load, root, type Noun, type Piece } from './generators.ts'

/*
 * `update --adopt` runs this in a copy of a service that has no record yet, of any version: it finds the pieces that were stamped,
 * stamps each again with the service's own generators, and prints the result as JSON.
 */

interface Found {
  piece: Piece
  noun: Noun
  files: string[]
}

const sources = filesBelow(root, ['src', 'test'])

/** Where the files of a piece say that it was stamped. */
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

/** What a person says of a piece with `--piece`. */
interface Said {
  piece: string
  noun?: string
  flags: Record<string, string>
}

function saidOf({ piece, noun }: Found): Said | undefined {
  return said.find((one) => one.piece === piece.name && (one.noun ?? noun.singular) === noun.singular)
}

/** The flags as a person or the stamped code tells them; those that nobody tells keep their default. */
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

/** A plan in which nothing is in the way. */
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
const { nounFrom } = { ...(await load('names.ts')), ...(await load('nouns.ts')) } as {
  nounFrom: (word: string) => Noun
}
const { said = [] } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as { said?: Said[] }
const found = (await allPieces())
  .flatMap((piece) => placesOf(piece, nounFrom))
  .sort((a, b) => b.files.length - a.files.length)
const claimed = new Set<string>()
const entries = new Map<string, object>()
for (const one of found) {
  if (one.files.some((path) => claimed.has(path))) continue
  for (const path of one.files) claimed.add(path)
  const { piece, noun } = one
  const flags = flagsOf(one)
  try {
    const { plan, texts } = emptyPlan()
    await stamp?.(plan, piece, noun, flags)
    entries.set(`${piece.name} ${noun.singular}`, {
      piece: piece.name,
      noun,
      flags,
      // A flag that is not known: the code does not tell it, and it has no default.
      unknown: (piece.flags ?? []).map(({ name }) => name).filter((name) => flags[name] === undefined),
      isSaid: saidOf(one) !== undefined,
      files: Object.fromEntries(texts),
    })
    const stampedPiece = piece.variant?.(flags) ?? piece
    for (let needs = stampedPiece.needs; needs !== undefined; needs = needs.needs) {
      const needed = emptyPlan()
      await stampMissing?.(needed.plan, needs)
      const there = [...needed.texts].filter(([path]) => existsSync(join(root, path)))
      entries.set(needs.name, { piece: needs.name, flags: {}, files: Object.fromEntries(there) })
    }
  } catch (error) {
    entries.set(`${piece.name} ${noun.singular}`, { piece: piece.name, noun, flags, failed: String(error) })
  }
}
process.stdout.write(JSON.stringify([...entries.values()]))
