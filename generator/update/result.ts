import { say, type Screen } from '../progress.ts'
import type { Outcomes } from './outcome.ts'

/** The result of an update: the object that `--json` prints. */
export interface UpdateResult {
  readonly from: string
  readonly to: string
  /** `current`: nothing to do. `behind`: `--check` found a newer template. `taken back`: `--abort`. */
  readonly state: 'updated' | 'current' | 'behind' | 'conflicts' | 'taken back' | 'finished'
  readonly dryRun: boolean
  readonly installed: boolean
  readonly files: readonly FileResult[]
  /** What the user must know or do, one sentence each. */
  readonly notes: readonly string[]
}

interface FileResult {
  readonly path: string
  readonly change: 'added' | 'updated' | 'merged' | 'deleted' | 'left' | 'conflict' | 'restored'
  /** The path at which the service had the file. */
  readonly moved?: string
  readonly why: readonly string[]
}

/** The result with the commands of the service's package manager in each sentence. */
export function inWords(result: UpdateResult, words: (sentence: string) => string): UpdateResult {
  const files = result.files.map((file) => ({ ...file, why: file.why.map(words) }))
  return { ...result, files, notes: result.notes.map(words) }
}

/** The exit code of a result. */
export function exitCodeOf({ state, files }: UpdateResult): number {
  if (state === 'behind') return 2
  return files.some(({ change }) => change === 'conflict') ? 3 : 0
}

/** The outcomes that are worth a line, sorted by path. */
export function filesOf(outcomes: Outcomes): FileResult[] {
  return [...outcomes.values()]
    .flatMap(({ path, moved, verdict }): FileResult[] => {
      if (verdict.kind === 'untouched') return []
      const why = 'why' in verdict ? [verdict.why].flat() : 'notes' in verdict ? verdict.notes : []
      return [{ path, change: verdict.kind, ...(moved === undefined ? {} : { moved }), why }]
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

const signs: Record<FileResult['change'], string> = {
  added: '+',
  updated: '~',
  merged: 'm',
  deleted: '-',
  left: ' ',
  conflict: '!',
  restored: '~',
}

/**
 * Prints a result: the number of changes, and each file that the user must look at. `inOwnWords` inserts the package manager's
 * commands.
 */
export function describe(
  screen: Screen,
  result: UpdateResult,
  whole: boolean,
  inOwnWords: (sentence: string) => string,
): void {
  const { files, from, to, state, dryRun } = result
  for (const { path, change, moved, why } of files) {
    if (!whole && why.length === 0 && change !== 'merged' && change !== 'conflict') continue
    say(screen, `  ${signs[change]} ${path}${moved === undefined ? '' : ` (was ${moved})`}`)
    for (const sentence of why) say(screen, `      ${sentence}`)
  }
  const counts = (['added', 'updated', 'merged', 'deleted', 'left', 'conflict', 'restored'] as const)
    .map((change) => [files.filter((file) => file.change === change).length, change] as const)
    .filter(([count]) => count > 0)
    .map(([count, change]) => `${count} ${change}`)
  for (const note of result.notes) say(screen, `  ${note}`)
  const range = from === to ? to : `${from} → ${to}`
  if (counts.length > 0) say(screen, `${range}: ${counts.join(', ')}`)
  say(screen, inOwnWords(sentenceOf(state, dryRun, to)))
}

function sentenceOf(state: UpdateResult['state'], dryRun: boolean, to: string): string {
  if (dryRun) return 'Dry run: nothing was written.'
  switch (state) {
    case 'current':
      return `The service is up to date with create-mainstem ${to}.`
    case 'behind':
      return `The service is behind: create-mainstem ${to} is newer. Update it with npm run update`
    case 'conflicts':
      return 'Resolve what is marked with ! above, then check, test and commit; or undo the update with update --abort.'
    case 'taken back':
      return 'The last update is undone.'
    case 'finished':
      return 'An update that was interrupted is finished now. Look at the changes, then check, test and commit.'
    case 'updated':
      return 'Updated. Look at the changes, then check, test and commit; or undo the update with update --abort.'
  }
}
