import type { PlannedFile } from '../tree.ts'
import type { Verdict } from './cell.ts'
import type { Overlay } from './copy.ts'
import type { Sides } from './git.ts'
import type { FileChange } from './journal.ts'

/** What an update does with the file at `path`. */
export interface Outcome {
  readonly path: string
  /** Where the service has the file now, if the template has moved it. */
  readonly moved: string | undefined
  readonly verdict: Verdict
}

/** The outcomes by path. A later one for the same path replaces an earlier one. */
export type Outcomes = Map<string, Outcome>

/** The content that the outcome writes to its path; undefined if it writes nothing. */
export function writtenBy({ verdict }: Outcome): PlannedFile | undefined {
  return 'file' in verdict ? verdict.file : undefined
}

/** The files after the outcomes, for a copy of the service. */
export function overlayOf(outcomes: Outcomes): Overlay {
  const overlay = new Map<string, PlannedFile | undefined>()
  for (const outcome of outcomes.values()) {
    const file = writtenBy(outcome)
    if (outcome.moved !== undefined) overlay.set(outcome.moved, undefined)
    if (file !== undefined) overlay.set(outcome.path, file)
    if (outcome.verdict.kind === 'deleted') overlay.set(outcome.path, undefined)
  }
  return overlay
}

/** The files to write for the outcomes, sorted by path. */
export function changesOf(outcomes: Outcomes): FileChange[] {
  return [...overlayOf(outcomes)]
    .map(([path, after]) => ({ path, after }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The three sides of every conflict, by path. */
export function conflictsOf(outcomes: Outcomes): Map<string, Sides> {
  const conflicts = new Map<string, Sides>()
  for (const { path, verdict } of outcomes.values())
    if (verdict.kind === 'conflict') conflicts.set(path, verdict.sides)
  return conflicts
}
