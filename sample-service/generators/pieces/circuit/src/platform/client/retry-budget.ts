/**
 * How many calls may be repeated, so that a peer that is going under is not called several times as often for it.
 * Every new call earns a part of a retry, every retry spends a whole one. As Finagle's RetryBudget; gRPC has
 * `retryThrottling` (https://grpc.io/docs/guides/retry/).
 */
export interface RetryBudget {
  /** A call is made for the first time. */
  earn(): void
  /** @returns whether there is a retry left; it is spent then */
  spend(): boolean
}

/** Full at first. @param ratio retries per call; @param most retries that can be saved up */
export function retryBudget(ratio: number, most: number): RetryBudget {
  // Counted in calls: ten times 0.1 is less than 1.
  const price = 1 / ratio
  const full = most * price
  let balance = full
  return {
    earn() {
      balance = Math.min(full, balance + 1)
    },
    spend() {
      if (balance < price) return false
      balance -= price
      return true
    },
  }
}
