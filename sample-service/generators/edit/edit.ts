import { SyntaxKind, type Expression, type Node, type SourceFile } from 'ts-morph'

/** Replaces the text from `at` to `end` (by default `at`) by `text`. */
export interface Edit {
  at: number
  end?: number
  text: string
}

/** The edit that replaces a node of a syntax tree by `text`. */
export function replace(place: Pick<Node, 'getStart' | 'getEnd'>, text: string): Edit {
  return { at: place.getStart(), end: place.getEnd(), text }
}

/** The text with the edits applied; the rest is unchanged, byte for byte. */
export function edited(text: string, edits: readonly Edit[]): string {
  // From the end to the start, so that earlier positions stay valid.
  return [...edits]
    .sort((a, b) => b.at - a.at)
    .reduce((now, { at, end = at, text }) => now.slice(0, at) + text + now.slice(end), text)
}

/** The value of the first property of this name in the file; undefined if there is none. */
export function valueOf(source: SourceFile, name: string): Expression | undefined {
  return source
    .getDescendantsOfKind(SyntaxKind.PropertyAssignment)
    .find((property) => property.getName() === name)
    ?.getInitializer()
}
