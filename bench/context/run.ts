import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { throwIfEnded } from '../../generator/ended.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import type { Case } from './catalogue.ts'
import type { Sample } from './measure.ts'
import type { Options } from './options.ts'

/** The result of one entry: a sample of each round, or why there is none. */
export type Outcome = { readonly samples: readonly Sample[] } | { readonly missing: string }

/** The results of one case, in the order of its entries. */
export interface CaseResult {
  readonly about: Case
  readonly outcomes: readonly Outcome[]
}

/** No round begins later than this, so that one Node takes less than three minutes. */
const lastRoundMs = 130_000
/** A measurement that takes longer is stopped. The table says so, and the entry is not measured again. */
const limitMs = 30_000

/**
 * Measures each entry once a round, each time in a new process of `program`, so that other work of the machine affects all
 * of them alike.
 * @param missing peers that could not be installed, with the reason
 */
export async function runCases(
  ctx: Context,
  program: string,
  worker: string,
  missing: ReadonlyMap<string, string>,
  { cases, rounds, ms }: Options,
): Promise<CaseResult[]> {
  const results = cases.map((about) => ({
    about,
    outcomes: about.entries.map(({ peer }): { samples: Sample[]; missing?: string } => {
      const reason = peer === undefined ? undefined : missing.get(peer)
      return reason === undefined ? { samples: [] } : { samples: [], missing: reason }
    }),
  }))
  const start = performance.now()
  for (let round = 0; round < rounds; round++) {
    if (performance.now() - start > lastRoundMs) break
    for (const { about, outcomes } of results) {
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.missing !== undefined) continue
        try {
          const args = ['--expose-gc', worker, about.name, String(index), String(ms)]
          const { stdout } = await promisify(execFile)(program, args, {
            timeout: limitMs,
            killSignal: 'SIGKILL',
            signal: ctx.signal,
          })
          outcome.samples.push(JSON.parse(stdout) as Sample)
        } catch (error) {
          throwIfEnded(ctx)
          outcome.missing = reasonOf(error)
        }
      }
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\n`)
  }
  return results.map(({ about, outcomes }) => ({
    about,
    outcomes: outcomes.map(({ samples, missing: reason }) =>
      reason === undefined ? { samples } : { missing: reason },
    ),
  }))
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'killed' in error && error.killed === true) {
    return `stopped after ${limitMs / 1000} s`
  }
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
  return /^\w*Error.*$/m.exec(said)?.[0] ?? said.trim().split('\n').at(-1) ?? 'it failed'
}
