import { types } from 'node:util'
import { exceptionOf } from './not-waited-for.ts'

/**
 * Returns `thrown` if it is an Error, else a new Error with `thrown` as its `cause`. Never throws: it drops a value whose getter
 * or Proxy throws when read, because the log would read it too. If an exception left the block of a group that was not waited
 * for, it returns that exception.
 * @param fallback the message if `thrown` is an object or a function
 */
export function errorOf(thrown: unknown, fallback = 'a value that is not an Error was thrown'): Error {
  if (isPrimitive(thrown)) return new Error(String(thrown), { cause: thrown })
  if (!isReadable(thrown, 0)) return new Error(`${fallback}, and it throws when it is read`)
  const exception = exceptionOf(thrown)
  if (exception !== undefined) return exception
  return thrown instanceof Error ? thrown : new Error(fallback, { cause: thrown })
}

function isPrimitive(
  value: unknown,
): value is string | number | bigint | boolean | symbol | null | undefined {
  return value === null || (typeof value !== 'object' && typeof value !== 'function')
}

/** Reports whether the log can read everything that it prints of `thrown`, down to its causes. */
function isReadable(thrown: object, depth: number): boolean {
  try {
    const { name, message, cause, errors } = thrown as Readonly<Record<string, unknown>>
    // V8 formats its own stack when it is first read, which is slow.
    if (types.isProxy(thrown) || !Object.hasOwn(thrown, 'stack')) void Reflect.get(thrown, 'stack')
    for (const key in thrown) void Reflect.get(thrown, key)
    if (thrown instanceof Error && typeof name === 'object') return false
    if (thrown instanceof Error && typeof message !== 'string') return false
    const inner: readonly unknown[] = [cause, ...(Array.isArray(errors) ? (errors as unknown[]) : [])]
    return depth > 10 || inner.every((one) => isPrimitive(one) || isReadable(one, depth + 1))
  } catch {
    return false
  }
}

/** Returns the place of the call whose stack `Error.captureStackTrace` has recorded. */
export function placeOf({ stack }: { stack?: string }): string {
  return stack?.split('\n')[1]?.trim() ?? 'at an unknown place'
}
