import { cause, withCancel, withoutCancel, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { until } from '../../context/until.ts'

/** The calls that get their answers together. */
interface Round<Asked, Answer> {
  readonly asked: Asked[]
  readonly answers: Promise<readonly Answer[]>
  /** How many calls still wait for them. */
  waiting: number
  cancel(cause?: Error): void
}

/**
 * Makes a function that asks for all its callers at once: `ask` runs once at a time, and what is asked meanwhile waits for the
 * next run. A call ends with its ctx; a run is cancelled when every call that waits for it has ended. When a run fails, the
 * calls that wait for the next one fail with it, and do not wait for a failure of their own.
 * @param ask returns the answers in the order of `asked`
 */
export function together<Asked, Answer>(
  ask: (ctx: Context, asked: readonly Asked[]) => Promise<readonly Answer[]>,
): (ctx: Context, asked: Asked) => Promise<Answer> {
  /** Resolves when the last run has ended, with why it failed. */
  let last: Promise<Error | undefined> = Promise.resolve(undefined)
  let next: Round<Asked, Answer> | undefined

  function begin(parent: Context): Round<Asked, Answer> {
    // Detached: it must not end with the call that happens to come first.
    const ctx = withCancel(withoutCancel(parent))
    const round: Round<Asked, Answer> = {
      asked: [],
      answers: last.then(run),
      waiting: 0,
      cancel: (cause) => ctx.cancel(cause),
    }
    const ended: Promise<Error | undefined> = round.answers.then(
      () => undefined,
      (error: unknown) => {
        // Calls that come from now on do not fail with it.
        if (last === ended) last = Promise.resolve(undefined)
        // If no call waits, the run was cancelled, which says nothing about the next one.
        return round.waiting === 0 ? undefined : errorOf(error)
      },
    )
    last = ended
    return round

    async function run(failure: Error | undefined): Promise<readonly Answer[]> {
      if (next === round) next = undefined
      if (failure !== undefined) throw failure
      return await ask(ctx, round.asked)
    }
  }

  return async (ctx, asked) => {
    const round = (next ??= begin(ctx))
    const nth = round.asked.push(asked) - 1
    round.waiting++
    try {
      return (await until(ctx, round.answers))[nth] as Answer
    } finally {
      if (--round.waiting === 0) {
        if (next === round) next = undefined
        round.cancel(cause(ctx))
      }
    }
  }
}
