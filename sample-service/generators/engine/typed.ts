/** What was wrong with the flags, from what parseArgs threw: its first sentence, without its advice, which does not fit here. */
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

/** The one of `words` that `typed` is closest to, in whatever case; undefined if it is more than two letters off. */
export function closestOf(typed: string, words: readonly string[]): string | undefined {
  const distances = words.map((word) => ({
    word,
    distance: distanceOf(typed.toLowerCase(), word.toLowerCase()),
  }))
  const [closest] = distances.sort((a, b) => a.distance - b.distance)
  if (closest === undefined || closest.distance > 2) return undefined
  return closest.distance < closest.word.length / 2 ? closest.word : undefined
}

/** Levenshtein's: how many letters must be inserted, removed or replaced to make `b` of `a`. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [at, letter] of Array.from(a).entries()) {
    const next = [at + 1]
    for (let to = 1; to <= b.length; to++) {
      const replaced = (row[to - 1] ?? 0) + (letter === b[to - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
