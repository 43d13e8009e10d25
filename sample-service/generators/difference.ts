import type { Change } from './plan.ts'

/**
 * What a plan changes, for people: an edited file with the lines that go and come, a new one with its length, or all of its
 * lines if it is to be `whole`.
 */
export function describeChanges(changes: readonly Change[], whole = false): string {
  return changes.map((change) => `${describe(change, whole).join('\n')}\n`).join('')
}

function describe({ path, before, after }: Change, whole: boolean): string[] {
  if (before === undefined) {
    const lines = linesOf(after)
    // drizzle-kit's own bookkeeping: nobody reads it line by line.
    const shown =
      whole && !path.startsWith('drizzle/meta/') ? lines.map((line) => `      + ${line}`.trimEnd()) : []
    return [`  + ${path} (${lines.length} lines)`, ...shown]
  }
  const lines = changedLines(before, after)
  if (path.startsWith('drizzle/meta/')) return [`  ~ ${path} (${lines.length} lines)`]
  return [`  ~ ${path}`, ...lines.map((line) => `      ${line}`)]
}

/** The lines that differ, `- gone` and `+ come`, in order: what a longest common subsequence leaves over. */
export function changedLines(before: string, after: string): string[] {
  const a = linesOf(before)
  const b = linesOf(after)
  // common[i][j]: how many lines the rests of a from i and b from j have in common.
  const common = a.map(() => new Array<number>(b.length + 1).fill(0))
  common.push(new Array<number>(b.length + 1).fill(0))
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = common[i]
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const changed: string[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1]
    else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1)))
      changed.push(`- ${a[i++] ?? ''}`)
    else changed.push(`+ ${b[j++] ?? ''}`)
  }
  return changed
}

function linesOf(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/)
}
