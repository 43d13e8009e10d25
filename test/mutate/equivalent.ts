import type { Mutant } from './mutants.ts'

/** A change that changes nothing anybody could see, and why. Told by its text, for lines move. */
export interface Equivalent {
  readonly file: string
  /** The line as it is, without its indentation. */
  readonly line: string
  readonly was: string
  readonly now: string
  readonly reason: string
}

export const equivalents: readonly Equivalent[] = [
  {
    file: 'src/context/sleep.ts',
    line: 'using nap = withTimeout(ctx, Math.max(1, ms))',
    was: 'using ',
    now: 'const ',
    reason: 'the function goes on only when nap has ended: `await ended(nap)` does not reject',
  },
  {
    file: 'src/documents/documents.uploads.ts',
    line: 'if (!(error instanceof CommitOutcomeUnknown)) await removeContents(ctx, platform, ids)',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: 'removeContents takes nothing but the values of it: it detaches by itself',
  },
]

/** The entry for `mutant`, a change in the line of text `line`; undefined if it has none. */
export function equivalentOf(mutant: Mutant, line: string): Equivalent | undefined {
  return equivalents.find(
    (each) =>
      each.file === mutant.file && each.line === line && each.was === mutant.was && each.now === mutant.now,
  )
}
