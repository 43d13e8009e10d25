import { diffLines } from 'diff'
import type { PackageManager } from '../../scripts/dev/packages.ts'
import { inSchemas } from './places.ts'
import type { Change } from './plan.ts'
import { recordPath } from './record.ts'

/**
 * Describes the changes of a plan: an edited file with its removed and added lines, a new file with its length, or with all of
 * its lines if `whole`. Files that a program writes come last, with only the number of their lines.
 */
export function describeChanges(changes: readonly Change[], whole = false): string {
  const generated = changes.filter(({ path }) => isGenerated(path))
  const others = changes.filter(({ path }) => !isGenerated(path))
  return [...others, ...generated].map((change) => `${describe(change, whole).join('\n')}\n`).join('')
}

function describe({ path, before, after }: Change, whole: boolean): string[] {
  const brief = isGenerated(path)
  if (after === undefined) return [`  - ${path} (${linesOf(before ?? '').length} lines)`]
  if (before === undefined) {
    const lines = linesOf(after)
    const shown = whole && !brief ? lines.map((line) => `      + ${line}`.trimEnd()) : []
    return [`  + ${path} (${lines.length} lines)`, ...shown]
  }
  const lines = path.endsWith('.md')
    ? changedLines(narrow(before), narrow(after))
    : changedLines(before, after)
  const removed = lines.filter((line) => line.startsWith('-')).length
  return brief
    ? [`  ~ ${path} (+${lines.length - removed} -${removed})`]
    : [`  ~ ${path}`, ...lines.map((line) => `      ${line}`)]
}

/** Markdown with unaligned tables: prettier aligns the columns again, and every row would count as changed. */
function narrow(markdown: string): string {
  return markdown.replaceAll(/^\|.*$/gm, (row) => row.replaceAll(/ {2,}/g, ' ').replaceAll(/-{4,}/g, '---'))
}

/** Whether a program writes the whole file: drizzle-kit's metadata, the page of `npm run guarantees`, the record. */
function isGenerated(path: string): boolean {
  return path.startsWith('drizzle/meta/') || path === 'docs/guarantees.md' || path === recordPath
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

/** Whether the database must be migrated after the change: by a migration, or by the tables of a library that it adds. */
function needsMigrate({ path, before = '', after = '' }: Change): boolean {
  return path.startsWith('drizzle/') || (path === inSchemas.file && after.length > before.length)
}

/** The commands to run after these changes, the new routes and the new variables. `installs`: this run installs. */
export function nextSteps(changes: readonly Change[], manager: PackageManager, installs = false): string {
  const steps = [
    ...(addsPackages(changes) && !installs ? [`${manager} install`] : []),
    ...(changes.some(needsMigrate) ? [`${manager} run db:migrate (${manager} run dev does it too)`] : []),
    `${manager}${manager === 'bun' ? ' run' : ''} test`,
  ]
  const variables = newVariables(changes)
  const settings =
    variables.length === 0 ? '' : `New variables: ${variables.join(', ')} (.env.example describes them)\n`
  const routes = newRoutes(changes)
  const served = routes.length === 0 ? '' : `New routes: ${routes.join(', ')}; see /docs\n`
  return `Next: ${steps.join(', ')}\n${served}${settings}`
}

/** `/invoices/:id (GET, DELETE)` of each path that the new files serve. */
function newRoutes(changes: readonly Change[]): string[] {
  const methods = new Map<string, string[]>()
  for (const { path: file, before, after = '' } of changes) {
    if (before !== undefined || !/^src\/.*\.routes\.ts$/.test(file)) continue
    for (const [, method = '', path = ''] of after.matchAll(/\bmethod: '(\w+)',\s+path: '([^']+)'/g))
      methods.set(path, [...(methods.get(path) ?? []), method])
  }
  return Array.from(methods, ([path, known]) => `${path} (${known.join(', ')})`)
}

function newVariables(changes: readonly Change[]): string[] {
  const { before = '', after = '' } = changes.find(({ path }) => path === '.env.example') ?? {}
  return changedLines(before, after).flatMap((line) => /^\+ # (\w+)=/.exec(line)?.slice(1) ?? [])
}
