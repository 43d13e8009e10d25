import { diffLines } from 'diff'
import type { Change } from './plan.ts'

/**
 * What a plan changes, for people: an edited file with its removed and added lines, a new file with its length, or with all of
 * its lines if `whole`.
 */
export function describeChanges(changes: readonly Change[], whole = false): string {
  return changes.map((change) => `${describe(change, whole).join('\n')}\n`).join('')
}

function describe({ path, before, after }: Change, whole: boolean): string[] {
  // drizzle-kit's own bookkeeping: nobody reads it line by line.
  const brief = path.startsWith('drizzle/meta/')
  if (before === undefined) {
    const lines = linesOf(after)
    const shown = whole && !brief ? lines.map((line) => `      + ${line}`.trimEnd()) : []
    return [`  + ${path} (${lines.length} lines)`, ...shown]
  }
  const lines = changedLines(before, after)
  return brief
    ? [`  ~ ${path} (${lines.length} lines)`]
    : [`  ~ ${path}`, ...lines.map((line) => `      ${line}`)]
}

/** The lines that differ, in order: `- removed` and `+ added`. */
export function changedLines(before: string, after: string): string[] {
  return diffLines(before, after, { stripTrailingCr: true }).flatMap(({ added, removed, value }) =>
    added || removed ? linesOf(value).map((line) => `${added ? '+' : '-'} ${line}`) : [],
  )
}

function linesOf(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/)
}

/** What to run after these changes are written. */
export function nextSteps(changes: readonly Change[]): string {
  const steps = [
    ...(changes.some(({ path }) => path === 'package.json')
      ? ['npm install (or your own package manager)']
      : []),
    ...(changes.some(({ path }) => path.startsWith('drizzle/'))
      ? ['npm run db:migrate (npm run dev does it too)']
      : []),
    'npm test',
  ]
  return `Next: ${steps.join(', ')}\n`
}
