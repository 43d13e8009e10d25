/** One thing that was tried. */
export interface Step {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** What was seen. */
  readonly detail: string
}

/** Tries steps one after the other, and keeps what each saw. */
export type Recorder = ReturnType<typeof recorder>

/** Returns a recorder without steps. It calls `onStep` when a step ends. */
export function recorder(onStep: (step: Step) => void) {
  const steps: Step[] = []
  return {
    /** Tries `work`, whose result says what the step saw. @throws what `work` throws, once the failed step is kept */
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
    /** What was tried, in order. */
    receipt: () => ({ ok: steps.length > 0 && steps.every((step) => step.ok), steps }),
  }
}

/** The message of fetch alone would be `fetch failed`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${reasonOf(error.cause)}` : error.message
}

/** `step` on one line, for people. */
export function printed(step: Step): string {
  return `${step.ok ? '✓' : '✗'} ${step.name.padEnd(9)} ${String(step.ms).padStart(6)} ms  ${step.detail}`
}
