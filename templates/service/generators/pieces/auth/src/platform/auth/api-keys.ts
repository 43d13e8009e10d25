import { createHash } from 'node:crypto'
import type { Principal } from './principal.ts'

/**
 * Reads AUTH_API_KEYS: `NAME:SHA256:SCOPE SCOPE`, with commas between several. It has hashes, so that a reader of the
 * configuration does not get the keys. A plain SHA-256 is enough, because keys are long and random. A caller may have several
 * keys, so that it can replace one.
 * @returns a function that finds the principal of a key
 * @throws Error for the hash of the empty key, and for a key of two callers
 */
export function apiKeys(list = ''): (key: string) => Principal | undefined {
  const byHash = new Map<string, Principal>()
  for (const [, name = '', hash = '', scopes = ''] of list.matchAll(
    /([\w.-]+):([\da-f]{64})(?::([^,]*))?/g,
  )) {
    const other = byHash.get(hash)
    if (hash === hashOf('')) throw new Error(`AUTH_API_KEYS: the key of ${name} is empty`)
    if (other !== undefined) throw new Error(`AUTH_API_KEYS: ${other.id} and ${name} have the same key`)
    byHash.set(hash, { id: `key:${name}`, scopes: scopes.split(' ').filter(Boolean), claims: {} })
  }
  // The time of the look-up may reveal a part of the hash, but the key cannot be computed from its hash.
  return (key) => byHash.get(hashOf(key))
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
