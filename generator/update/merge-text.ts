import { diff3Merge, diffComm } from 'node-diff3'

/** A merged text, and how many conflicts are marked in it. */
export interface MergedText {
  readonly text: string
  readonly conflicts: number
}

/** The labels after the markers of a conflict. */
export interface Labels {
  readonly yours: string
  readonly base: string
  readonly theirs: string
}

/**
 * The most pairs of equal lines, and the most lines, that `mergeText` takes: node-diff3 compares every pair, which took 30 s for
 * 4,000 lines that were nearly the same.
 */
const most = { pairs: 2_000_000, lines: 5_000 }

/** Whether `mergeText` can merge these texts in reasonable time. */
export function isMergeable(ours: string, base: string | undefined, theirs: string): boolean {
  const [a, o, b] = [ours, base ?? '', theirs].map((text) => text.split('\n')) as [
    string[],
    string[],
    string[],
  ]
  if (Math.max(a.length, o.length, b.length) > most.lines) return false
  return base === undefined ? pairsOf(a, b) <= most.pairs : pairsOf(a, o) + pairsOf(b, o) <= most.pairs
}

function pairsOf(one: readonly string[], other: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const line of one) counts.set(line, (counts.get(line) ?? 0) + 1)
  return other.reduce((sum, line) => sum + (counts.get(line) ?? 0), 0)
}

/**
 * Merges by lines, with diff3 markers around what both sides changed in different ways. Without a base, every difference is a
 * conflict, since its author is unknown.
 */
export function mergeText(
  ours: string,
  base: string | undefined,
  theirs: string,
  labels: Labels,
): MergedText {
  const [a, b] = [ours.split('\n'), theirs.split('\n')]
  const lines: string[] = []
  let conflicts = 0
  if (base === undefined) {
    for (const { common, buffer1, buffer2 } of diffComm(a, b)) {
      if (common !== undefined) lines.push(...common)
      else conflict(buffer1, [], buffer2)
    }
  } else {
    for (const region of diff3Merge(a, base.split('\n'), b, { excludeFalseConflicts: true })) {
      if (region.conflict === undefined) lines.push(...(region.ok ?? []))
      else conflict(region.conflict.a, region.conflict.o, region.conflict.b)
    }
  }
  return { text: lines.join('\n'), conflicts }

  function conflict(yours: readonly string[], before: readonly string[], new_: readonly string[]): void {
    conflicts++
    lines.push(`<<<<<<< ${labels.yours}`, ...yours, `||||||| ${labels.base}`, ...before)
    lines.push('=======', ...new_, `>>>>>>> ${labels.theirs}`)
  }
}

/** Whether the text contains the markers of a conflict: a begin, a middle and an end, each on its own line. */
export function hasMarkers(text: string): boolean {
  return /^<{7} .*$[\s\S]*?^={7}$[\s\S]*?^>{7} /m.test(text)
}
