import { diffLines } from 'diff'
import type { PackageManager } from './package-manager.ts'
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

/** Whether package.json gets dependencies. */
export function addsPackages(changes: readonly Change[]): boolean {
  return changes.some(({ path }) => path === 'package.json')
}

/** The commands to run after these changes are written; `installs`: the dependencies are being installed. */
export function nextSteps(changes: readonly Change[], manager: PackageManager, installs = false): string {
  const steps = [
    ...(addsPackages(changes) && !installs ? [`${manager} install`] : []),
    ...(changes.some(({ path }) => path.startsWith('drizzle/'))
      ? [`${manager} run db:migrate (${manager} run dev does it too)`]
      : []),
    `${manager}${manager === 'bun' ? ' run' : ''} test`,
  ]
  return `Next: ${steps.join(', ')}\n`
}
