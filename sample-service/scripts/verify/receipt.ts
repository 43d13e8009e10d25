/** One step of `npm run verify`. */
export interface Step {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** What the step observed. */
  readonly detail: string
}

/** Runs steps one after the other, and keeps the result of each. */
export type Recorder = ReturnType<typeof recorder>

/** Returns a recorder without steps. It calls `onStep` when a step ends. */
export function recorder(onStep: (step: Step) => void) {
  const steps: Step[] = []
  return {
    /** Runs `work`, which returns what the step observed. @throws what `work` throws, after it has kept the failed step */
    async step<T extends string | { saw: string }>(name: string, work: () => Promise<T>): Promise<T> {
      const started = performance.now()
      const add = (ok: boolean, detail: string): void => {
        const step = { name, ok, ms: Math.round(performance.now() - started), detail }
        steps.push(step)
        onStep(step)
      }
      try {
        const result = await work()
        add(true, typeof result === 'string' ? result : result.saw)
        return result
      } catch (error) {
        add(false, reasonOf(error))
        throw error
      }
    },
    /** The steps, in order. */
    receipt: () => ({ ok: steps.length > 0 && steps.every((step) => step.ok), steps }),
  }
}

/** The message of fetch alone would be `fetch failed`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${reasonOf(error.cause)}` : error.message
}

/** `step` on one line. */
export function printed(step: Step): string {
  return `${step.ok ? '✓' : '✗'} ${step.name.padEnd(9)} ${String(step.ms).padStart(6)} ms  ${step.detail}`
}
