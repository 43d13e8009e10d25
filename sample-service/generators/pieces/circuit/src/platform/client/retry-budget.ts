/**
 * Limits how many calls are repeated, so that retries do not multiply the load of a peer that is already overloaded. Every new
 * call earns a part of a retry, every retry spends a whole one. It works like Finagle's RetryBudget; gRPC has `retryThrottling`
 * (https://grpc.io/docs/guides/retry/).
 * @param ratio retries per call
 * @param most retries that can be saved up, which is also the first balance
 */
export function retryBudget(ratio: number, most: number) {
  // Counted in calls, because ten times 0.1 is less than 1.
  const price = 1 / ratio
  const full = most * price
  let balance = full
  return {
    /** Counts a new call. */
    earn(): void {
      balance = Math.min(full, balance + 1)
    },
    /** Spends a retry. @returns whether one was left */
    spend(): boolean {
      if (balance < price) return false
      balance -= price
      return true
    },
  }
}
