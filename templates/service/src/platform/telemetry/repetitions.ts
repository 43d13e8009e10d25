/** Beyond this many different kinds the oldest ones may be logged early. */
const maxRemembered = 50

/**
 * Decides which messages of a kind are logged: the first, and then one in `silenceMs` milliseconds.
 * @returns a function that takes the kind of a message. It returns undefined if the message is held back, else how many of its
 * kind were held back before it
 */
export function repetitions(silenceMs: number): (kind: string) => number | undefined {
  const logged = new Map<string, { at: number; held: number }>()
  return (kind) => {
    const before = logged.get(kind)
    const now = performance.now()
    if (before !== undefined && now - before.at < silenceMs) {
      before.held++
      return undefined
    }
    if (logged.size >= maxRemembered) logged.clear()
    logged.set(kind, { at: now, held: 0 })
    return before?.held ?? 0
  }
}
