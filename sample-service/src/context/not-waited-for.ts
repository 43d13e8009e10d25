/** A block was left before it waited for the work of its group. */
export class NotWaitedFor extends Error {
  override readonly name = 'NotWaitedFor'

  constructor(place: string, failure: Error | undefined) {
    super(
      `The group made ${place} was left before its work was waited for. Write \`await workers.wait()\` as the last step of its block.`,
      { cause: failure },
    )
  }
}

/** SuppressedError of ES2026, which Node 20 and 22 lack. TypeScript's `using` takes the global one, if there is one. */
class Suppressed extends Error {
  override readonly name = 'SuppressedError'
  readonly error: unknown
  readonly suppressed: unknown

  constructor(error: unknown, suppressed: unknown, message?: string) {
    super(message)
    this.error = error
    this.suppressed = suppressed
  }
}

/**
 * Returns the exception that left the block of a group, if `thrown` is the SuppressedError in which `using` has put it
 * together with NotWaitedFor; else undefined. If a loader leaves `using` as it is, Node 24 makes that error itself, and the
 * Proxy below does not see it.
 */
export function exceptionOf(thrown: object): Error | undefined {
  const { error, suppressed } = thrown as Partial<Suppressed>
  return error instanceof NotWaitedFor && suppressed instanceof Error ? suppressed : undefined
}

/**
 * Drops NotWaitedFor if another exception leaves the block. The group's dispose cannot know of that exception and throws too;
 * `using` would make a SuppressedError of both, which would turn a 404 into a 500. Compiled `using` (tsconfig.json: target
 * ES2022) looks up the global when it runs, and by then the code that made the group has imported this file.
 */
// The global type claims that SuppressedError always exists.
const scope = globalThis as unknown as { SuppressedError?: typeof Suppressed }
scope.SuppressedError = new Proxy(scope.SuppressedError ?? Suppressed, {
  construct(target, given: ConstructorParameters<typeof Suppressed>, made): object {
    const [error, suppressed] = given
    return exceptionOf({ error, suppressed }) ?? (Reflect.construct(target, given, made) as object)
  },
})
