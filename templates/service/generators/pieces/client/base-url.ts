/** Returns a base URL that a client takes (platform/client/order.ts), without a final slash. Throws for anything else. */
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
