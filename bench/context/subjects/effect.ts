import type { Subject } from '../measure.ts'

interface Fiber {
  readonly id: unknown
}

/** An Effect: in a generator given to `gen`, `yield*` runs it. */
interface Effect {
  [Symbol.iterator](): Iterator<unknown, Fiber>
}

interface Effects {
  readonly never: Effect
  timeout(effect: Effect, duration: string): Effect
  callback(register: (resume: unknown) => Effect): Effect
  sync(fn: () => void): Effect
  forkChild(effect: Effect, options?: { startImmediately: boolean }): Effect
  gen(fn: () => Generator<unknown, void>): Effect
  runPromise(effect: Effect): Promise<void>
  runFork(effect: Effect): Fiber
}

interface Fibers {
  interrupt(fiber: Fiber): Effect
}

// In a variable, because TypeScript does not know the package: it is installed beside the compiled file, not in this repository.
const name = 'effect'
const { Effect, Fiber } = (await import(name)) as { Effect: Effects; Fiber: Fibers }

const startImmediately = { startImmediately: true }

export function cancel(): Subject {
  return forked(Effect.never)
}

export function timeout(): Subject {
  return forked(Effect.timeout(Effect.never, '30 seconds'))
}

/** Work with a callback for its interruption, like a listener on a signal. */
export function signal(): Subject {
  return forked(told())
}

export function timeoutSignal(): Subject {
  return forked(Effect.timeout(told(), '30 seconds'))
}

export function family(children: number): () => Subject {
  return () => {
    let parent = Effect.runFork(Effect.never)
    return {
      children,
      family: {
        async make(count) {
          await new Promise<void>((resolve) => {
            parent = Effect.runFork(
              Effect.gen(function* () {
                for (let i = 0; i < count; i++) yield* Effect.forkChild(Effect.never, startImmediately)
                resolve()
                yield* Effect.never
              }),
            )
          })
        },
        async end() {
          await Effect.runPromise(Fiber.interrupt(parent))
          parent = Effect.runFork(Effect.never)
        },
      },
    }
  }
}

function told(): Effect {
  return Effect.callback(() => Effect.sync(() => undefined))
}

function forked(work: Effect): Subject {
  return {
    async batch(times) {
      await Effect.runPromise(
        Effect.gen(function* () {
          for (let i = 0; i < times; i++) {
            const fiber = yield* Effect.forkChild(work, startImmediately)
            yield* Fiber.interrupt(fiber)
          }
        }),
      )
    },
  }
}
