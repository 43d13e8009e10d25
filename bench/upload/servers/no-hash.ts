/** Replaces node:crypto in the service's directory.ts by a SHA-256 that ignores its input. */
export function createHash() {
  return { update: () => undefined, digest: () => '0'.repeat(64) }
}
