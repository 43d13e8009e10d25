/** A service has few texts of statements, unless it writes values into them. */
const maxTexts = 1_000
const maxLength = 2_000

/** Returns `read`, which remembers its results for short texts. */
export function perText<T extends object | boolean>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = read(text)
    if (text.length < maxLength) {
      if (known.size === maxTexts) known.clear()
      known.set(text, result)
    }
    return result
  }
}
