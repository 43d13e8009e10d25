/**
 * Parses a base URL and returns it without a final slash. Throws an Error of one sentence for a URL that a client refuses
 * (platform/client/order.ts).
 */
export function baseUrlFrom(typed: string): string {
  const url = URL.canParse(typed) ? new URL(typed) : undefined
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.username + url.password + url.search + url.hash !== '' ||
    /['\\\s]/.test(typed)
  ) {
    throw new Error(
      `--base-url must be a URL such as https://payments.example.com/v1, without user, password and query, not ${JSON.stringify(typed)}.`,
    )
  }
  return typed.replace(/\/$/, '')
}
