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
 * Returns the exception that left the block of a group, if `thrown` is the SuppressedError that `using` makes of it and
 * NotWaitedFor; else undefined. Where a loader does not compile `using`, Node 24 itself makes that error, not the code below.
 */
export function exceptionOf(thrown: object): Error | undefined {
  const { error, suppressed } = thrown as Partial<Suppressed>
  return error instanceof NotWaitedFor && suppressed instanceof Error ? suppressed : undefined
}

/**
 * A dispose cannot know whether an exception leaves its block. If it throws as well, `using` makes a SuppressedError of
 * both, and a 404 would become a 500: the exception stands, and NotWaitedFor is dropped. The code of `using` looks the
 * global up when it runs (tsconfig.json: target ES2022), and code that makes a group has imported this file by then.
 */
// The global type claims that SuppressedError always exists.
const scope = globalThis as unknown as { SuppressedError?: typeof Suppressed }
scope.SuppressedError = new Proxy(scope.SuppressedError ?? Suppressed, {
  construct(target, given: ConstructorParameters<typeof Suppressed>, made): object {
    const [error, suppressed] = given
    return exceptionOf({ error, suppressed }) ?? (Reflect.construct(target, given, made) as object)
  },
})
