/** Returns what is wrong with the flags: the first sentence of parseArgs' error, whose advice does not fit here. */
export function flagFault(error: unknown, flags: object): string {
  const [fact = ''] = (error instanceof Error ? error.message : String(error)).split(/\. |\.?\n/)
  const [lacking] =
    /(?<=^Option '(?:-\w, )?)--[\w-]+(?=.* argument (?:missing|is ambiguous))/.exec(fact) ?? []
  if (lacking !== undefined) return `${lacking} needs a value`
  const [unknown] = /(?<=^Unknown option ')--[^']+/.exec(fact) ?? []
  const names = Object.keys(flags).map((name) => `--${name}`)
  return unknown === undefined ? fact : `${fact}${didYouMean(unknown, names)}`
}

/** ` (did you mean route?)` for a word that is close to one of `words`; else empty. */
export function didYouMean(typed: string, words: readonly string[]): string {
  const closest = closestOf(typed, words)
  return closest === undefined ? '' : ` (did you mean ${closest}?)`
}

/** Returns the word closest to `typed`, in any case; undefined if more than two of its letters, or half of them, differ. */
export function closestOf(typed: string, words: readonly string[]): string | undefined {
  const distances = words.map((word) => ({
    word,
    distance: distanceOf(typed.toLowerCase(), word.toLowerCase()),
  }))
  const [closest] = distances.sort((a, b) => a.distance - b.distance)
  if (closest === undefined || closest.distance > 2) return undefined
  return closest.distance < closest.word.length / 2 ? closest.word : undefined
}

/** Counts the letters to insert, remove or replace, and the neighbours to swap, to turn `a` into `b`. */
function distanceOf(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, to) => to)]
  for (let at = 1; at <= a.length; at++) {
    const [above = [], next] = [rows[at - 1], [at]]
    for (let to = 1; to <= b.length; to++) {
      const replaced = (above[to - 1] ?? 0) + (a[at - 1] === b[to - 1] ? 0 : 1)
      const isSwap = at > 1 && to > 1 && a[at - 1] === b[to - 2] && a[at - 2] === b[to - 1]
      const swapped = isSwap ? (rows[at - 2]?.[to - 2] ?? 0) + 1 : Infinity
      next.push(Math.min(replaced, swapped, (above[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1))
    }
    rows.push(next)
  }
  return rows[a.length]?.[b.length] ?? 0
}
