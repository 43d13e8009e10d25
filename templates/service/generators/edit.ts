import { SyntaxKind, type Expression, type Node, type SourceFile } from 'ts-morph'

/** Text to put at a position; what stands between `at` and `end` goes. */
export interface Edit {
  at: number
  end?: number
  text: string
}

/** `text` in the place of a node of a syntax tree. */
export function replace(place: Pick<Node, 'getStart' | 'getEnd'>, text: string): Edit {
  return { at: place.getStart(), end: place.getEnd(), text }
}

/** The text with all of them; what lies between them stays as it is, byte for byte. */
export function edited(text: string, edits: readonly Edit[]): string {
  // From the end, so that a position stays true while what stands after it changes.
  return [...edits]
    .sort((a, b) => b.at - a.at)
    .reduce((now, { at, end = at, text }) => now.slice(0, at) + text + now.slice(end), text)
}

/** What the first property of this name in the file is set to; undefined if there is none. */
export function valueOf(source: SourceFile, name: string): Expression | undefined {
  return source
    .getDescendantsOfKind(SyntaxKind.PropertyAssignment)
    .find((property) => property.getName() === name)
    ?.getInitializer()
}
