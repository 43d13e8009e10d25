/** A block was left before the work of its group was waited for. */
export class NotWaitedFor extends Error {
  override readonly name = 'NotWaitedFor'

  constructor(place: string, failure: Error | undefined) {
    super(
      `The group made ${place} was left before its work was waited for. Write \`await workers.wait()\` as the last step of its block.`,
      { cause: failure },
    )
  }
}

/** What ES2026 and Node 24 have; TypeScript's `using` takes the global one, or makes its own where there is none. */
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
 * A dispose cannot know whether an exception leaves its block. It throws, and then `using` makes a SuppressedError of
 * both: a 404 out of a block with a group would become a 500, and no `instanceof` would know it again. An exception is a
 * right way out of the block, so it stands, and NotWaitedFor is dropped. All code that leaves a group's block has
 * imported this file before, for its helper is compiled into it (tsconfig.json: target ES2022).
 */
// The global type says that there is one; Node 20 and 22 have none.
const scope = globalThis as unknown as { SuppressedError?: typeof Suppressed }
scope.SuppressedError = new Proxy(scope.SuppressedError ?? Suppressed, {
  construct(target, given: ConstructorParameters<typeof Suppressed>, made): object {
    const [error, suppressed] = given
    if (error instanceof NotWaitedFor && suppressed instanceof Error) return suppressed
    return Reflect.construct(target, given, made) as object
  },
})
