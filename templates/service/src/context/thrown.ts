/**
 * Returns `thrown` if it is an Error, else a new Error with `thrown` as its `cause`. Never throws, as `String()` would for
 * an object without a prototype.
 * @param fallback the message if `thrown` is an object or a function
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
