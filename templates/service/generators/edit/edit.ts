import type { Node } from 'ts-morph'

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
