import type { Context } from '../../templates/service/src/context/context.ts'
import { textOf, type PlannedFile } from '../tree.ts'
import { asOnDisk, type OnDisk } from './disk.ts'
import type { Sides } from './git.ts'
import { isJsonObject, isKeyed, mergeJson } from './merge-json.ts'
import type { MergedText } from './merge-text.ts'
import type { Style } from './style.ts'

/** The three versions of one file. */
export interface Cell {
  readonly path: string
  /** The id of the text that was emitted or stamped; undefined if the file is new in the template. */
  readonly recorded: string | undefined
  readonly ours: OnDisk
  /** The id and the content of the new template's file; undefined if the template has none. */
  readonly theirs: { readonly id: string; readonly file: PlannedFile } | undefined
}

/** What an update does with a file. */
export type Verdict =
  | { readonly kind: 'untouched' }
  | {
      readonly kind: 'added' | 'updated' | 'merged'
      readonly file: PlannedFile
      readonly notes: readonly string[]
    }
  | { readonly kind: 'deleted' }
  /** Left as it is although the template changed it; `why` is for people. */
  | { readonly kind: 'left'; readonly why: string }
  | {
      readonly kind: 'conflict'
      /** The text with markers; undefined if the service's file stays as it is. */
      readonly file: PlannedFile | undefined
      readonly why: readonly string[]
      readonly sides: Sides
    }

/** What `decide` needs besides the cell. */
export interface Tools {
  readonly style: Style
  /** The emitted or stamped content with that id. */
  base(ctx: Context, path: string, id: string): Promise<Buffer | undefined>
  merge(ctx: Context, path: string, ours: string, base: string | undefined, theirs: string): MergedText
}

/** Decides what happens to one file, and writes nothing. */
export async function decide(ctx: Context, cell: Cell, tools: Tools): Promise<Verdict> {
  const { recorded, ours, theirs } = cell
  if (theirs?.id === recorded) return sameText(ours, theirs?.file)
  if (theirs === undefined) return dropped(ctx, cell, tools)
  if (ours.kind === 'other')
    return {
      kind: 'left',
      why: `${ours.what}, and update changes nothing but files; the template has changed it`,
    }
  if (ours.kind === 'none') {
    if (recorded !== undefined) return { kind: 'left', why: 'you deleted it; the template has changed it' }
    return { kind: 'added', file: await styled(ctx, cell.path, theirs.file, tools), notes: [] }
  }
  if (ours.id === theirs.id) return sameText(ours, theirs.file)
  if (ours.id === recorded) return updated(await styled(ctx, cell.path, theirs.file, tools), ours)
  return bothChanged(ctx, cell, ours, theirs.file, tools)
}

/** For a file that the template no longer has: deletes it if the team did not change it. */
async function dropped(ctx: Context, { path, recorded, ours }: Cell, tools: Tools): Promise<Verdict> {
  if (ours.kind !== 'file' || recorded === undefined) return { kind: 'untouched' }
  if (ours.id === recorded) return { kind: 'deleted' }
  const base = await tools.base(ctx, path, recorded)
  if (base !== undefined && (await isStyled(ctx, path, base, ours.file.bytes, tools)))
    return { kind: 'deleted' }
  const why = ['the template no longer has this file, and you changed it: keep it as yours, or delete it']
  return { kind: 'conflict', file: undefined, why, sides: { base, ours: ours.file.bytes, theirs: undefined } }
}

async function bothChanged(
  ctx: Context,
  { path, recorded }: Cell,
  disk: OnDisk & { kind: 'file' },
  theirFile: PlannedFile,
  tools: Tools,
): Promise<Verdict> {
  const ours = disk.file
  const emitted = recorded === undefined ? undefined : await tools.base(ctx, path, recorded)
  const theirs = await styled(ctx, path, theirFile, tools)
  if (emitted !== undefined && (await isStyled(ctx, path, emitted, ours.bytes, tools)))
    return updated(theirs, disk)
  if (ours.bytes.equals(theirs.bytes)) return sameText(disk, theirs)
  const [mine, after] = [textOf(ours.bytes), textOf(theirs.bytes)]
  const before = emitted === undefined ? undefined : await styledText(ctx, path, emitted, tools)
  const sides = { base: emitted, ours: ours.bytes, theirs: theirs.bytes }
  if (mine === undefined || after === undefined || (emitted !== undefined && before === undefined)) {
    const why = [
      `both changed it, and it is not text: yours stays; update --restore ${path} replaces it with the template's`,
    ]
    return { kind: 'conflict', file: undefined, why, sides }
  }
  const executable = ours.executable || theirs.executable
  const written = (text: string): PlannedFile => ({ bytes: asOnDisk(Buffer.from(text), disk), executable })
  if (path.endsWith('.md') && before !== undefined && isRewritten(mine, before))
    return {
      kind: 'left',
      why: `you have rewritten it; the template has changed it: update --restore ${path} replaces it with the template's`,
    }
  if (isKeyed(path) && [mine, after, before ?? '{}'].every(isJsonObject)) {
    const { text, conflicts, notes } = mergeJson(mine, before, after)
    if (conflicts.length > 0) return { kind: 'conflict', file: written(text), why: conflicts, sides }
    return { kind: 'merged', file: written(text), notes }
  }
  const { text, conflicts } = tools.merge(ctx, path, mine, before, after)
  if (conflicts === 0)
    return text === mine ? { kind: 'untouched' } : { kind: 'merged', file: written(text), notes: [] }
  const places = `${conflicts} ${conflicts === 1 ? 'place that both changed is' : 'places that both changed are'} marked`
  const unknown =
    before === undefined ? ', and the original text is not known, so every difference is marked' : ''
  return { kind: 'conflict', file: written(text), why: [`${places}${unknown}`], sides }
}

/** Whether `ours` keeps less than a tenth of the lines of `emitted`: a merge of such a page would be useless. */
function isRewritten(ours: string, emitted: string): boolean {
  const left = new Set(ours.split('\n'))
  const lines = emitted.split('\n').filter((line) => line.trim() !== '')
  return lines.filter((line) => left.has(line)).length < lines.length / 10
}

function updated(theirs: PlannedFile, ours: OnDisk & { kind: 'file' }): Verdict {
  const executable = theirs.executable || ours.file.executable
  return { kind: 'updated', file: { bytes: asOnDisk(theirs.bytes, ours), executable }, notes: [] }
}

/** Nothing to write, unless the template made the file executable. */
function sameText(ours: OnDisk, theirs: PlannedFile | undefined): Verdict {
  if (ours.kind !== 'file' || theirs?.executable !== true || ours.file.executable)
    return { kind: 'untouched' }
  return updated({ ...ours.file, executable: true }, ours)
}

/** The file in the team's style, if that is not the template's. */
async function styled(ctx: Context, path: string, file: PlannedFile, tools: Tools): Promise<PlannedFile> {
  const text = await styledText(ctx, path, file.bytes, tools)
  return text === undefined ? file : { ...file, bytes: Buffer.from(text) }
}

async function styledText(
  ctx: Context,
  path: string,
  bytes: Buffer,
  { style }: Tools,
): Promise<string | undefined> {
  const text = textOf(bytes)
  return text === undefined || !style.changed ? text : style.format(ctx, path, text)
}

/** Whether `ours` is `emitted` in the team's style. */
async function isStyled(
  ctx: Context,
  path: string,
  emitted: Buffer,
  ours: Buffer,
  tools: Tools,
): Promise<boolean> {
  return (await styledText(ctx, path, emitted, tools)) === textOf(ours) && textOf(ours) !== undefined
}
