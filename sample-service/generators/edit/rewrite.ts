import type { SourceFile } from 'ts-morph'
import { edited, type Edit } from './edit.ts'
import { formatEdited } from './format.ts'
import type { Plan } from '../engine/plan.ts'
import { parse } from './source.ts'

/**
 * Plans the text that `change` makes of an existing file. If the file is missing, the error says why it is needed: `neededFor`.
 */
export async function rewrite(
  plan: Plan,
  file: string,
  neededFor: string,
  change: (text: string) => string,
): Promise<void> {
  const text = await plan.read(file)
  if (text === undefined) throw new Error(`${file} is missing: restore it, because ${neededFor}.`)
  const after = change(text)
  if (after === text) return
  if (!plan.rewritten.has(file)) plan.rewritten.set(file, text)
  await plan.edit(file, after)
}

/**
 * Formats each rewritten file that was formatted before. It does so once, after all changes, because prettier takes the most
 * time.
 */
export async function formatRewritten(plan: Plan): Promise<void> {
  for (const [file, before] of plan.rewritten) {
    const after = await plan.read(file)
    if (after !== undefined) await plan.edit(file, await formatEdited(plan.root, file, before, after))
  }
}

/** The text of a file with the edits that `editsOf` finds in its syntax tree; the rest is unchanged, byte for byte. */
export function withEdits(
  file: string,
  text: string,
  editsOf: (source: SourceFile, text: string) => readonly Edit[],
): string {
  // ts-morph's positions do not count a byte order mark.
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : ''
  const body = text.slice(mark.length)
  return mark + edited(body, editsOf(parse(file, body), body))
}
