/** Code in place of what stands between two positions of a text. */
export interface Replacement {
  readonly from: number
  readonly to: number
  readonly code: string
}

/** `code` in the place of a node of a syntax tree. */
export function replace(place: { getStart(): number; getEnd(): number }, code: string): Replacement {
  return { from: place.getStart(), to: place.getEnd(), code }
}

/** The text with all of them; what lies between them stays as it is, byte for byte. */
export function replaced(text: string, replacements: readonly Replacement[]): string {
  // From the end, so that a position stays true while what stands after it changes.
  return [...replacements]
    .sort((a, b) => b.from - a.from)
    .reduce((now, { from, to, code }) => now.slice(0, from) + code + now.slice(to), text)
}
