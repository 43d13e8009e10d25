import type { SourceFile } from 'ts-morph'
import { edited, type Edit } from './edit.ts'
import { formatEdited } from './format.ts'
import type { Plan } from './plan.ts'
import { parse } from './source.ts'

/**
 * Plans a file of the team's as `change` leaves its text, formatted if it was. Throws an Error of one sentence if the file is gone,
 * which says what it is needed for.
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
  if (after !== text) await plan.edit(file, await formatEdited(plan.root, file, text, after))
}

/** The text of a file with the edits that its syntax tree asks for; all else stays as it is, byte for byte. */
export function withEdits(
  file: string,
  text: string,
  editsOf: (source: SourceFile, text: string) => readonly Edit[],
): string {
  // ts-morph counts positions without a byte order mark.
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : ''
  const body = text.slice(mark.length)
  return mark + edited(body, editsOf(parse(file, body), body))
}
