import { contextKey, withValue, type Context } from '../../context/context.ts'
import { errorOf } from '../../context/thrown.ts'
import { causeName } from '../causes.ts'

/** A span of a request, for the page of contexts. Kept only where that page is offered, whether or not spans are exported. */
export interface Step {
  readonly name: string
  /** What tells it from others of its name: the statement, the address. */
  readonly detail: string | undefined
  /** Milliseconds of performance.now(). */
  readonly startedAt: number
  endedAt: number | undefined
  /** What ended its context, else what it failed with; undefined if it did what it was for. */
  fault: string | undefined
  readonly below: Step[]
  /** Shared by all of a request: how many more are kept of it. Below zero, how many were not. */
  readonly budget: { left: number }
}

/** A transaction may run any number of statements. */
const maxSteps = 200

/** The step that the work of a context is part of; it names the contexts below it. */
export const stepKey = contextKey<Step>('step', ({ name }) => name)

/** The step of a whole request, which has begun at `startedAt`. */
export function rootStep(name: string, startedAt: number): Step {
  return begin(name, undefined, startedAt, { left: maxSteps })
}

/** Runs `work` as a step below `above`, and records how it ended. What `work` throws is thrown on. */
export async function step<T>(
  ctx: Context,
  above: Step,
  name: string,
  detail: string | undefined,
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  if (above.budget.left-- <= 0) return work(ctx)
  const own = begin(name, detail, performance.now(), above.budget)
  above.below.push(own)
  try {
    return await work(withValue(ctx, stepKey, own))
  } catch (error) {
    own.fault = causeName(ctx) ?? errorOf(error).name
    throw error
  } finally {
    own.endedAt = performance.now()
  }
}

function begin(name: string, detail: string | undefined, startedAt: number, budget: Step['budget']): Step {
  return { name, detail, startedAt, endedAt: undefined, fault: undefined, below: [], budget }
}
