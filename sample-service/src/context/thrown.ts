/**
 * What was thrown, as an Error: an Error is returned as it came, anything else becomes the `cause` of a new one. Never
 * throws, whereas `String()` does for an object without a prototype.
 * @param fallback the message for an object or a function, whose text says nothing
 */
export function errorOf(thrown: unknown, fallback = 'a value that is no Error was thrown'): Error {
  if (thrown instanceof Error) return thrown
  return new Error(isPrimitive(thrown) ? String(thrown) : fallback, { cause: thrown })
}

function isPrimitive(
  value: unknown,
): value is string | number | bigint | boolean | symbol | null | undefined {
  return value === null || (typeof value !== 'object' && typeof value !== 'function')
}
