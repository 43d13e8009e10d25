import { createHash } from 'node:crypto'
import type { Principal } from './principal.ts'

/**
 * Reads AUTH_API_KEYS: `NAME:SHA256:SCOPE SCOPE`, with commas between several. The configuration holds hashes, so that who reads it
 * has no key; a key is long and random, so that a plain SHA-256 hides it. A caller may have several, to change its key.
 * @returns what finds the principal of a key
 * @throws Error for the hash of the empty key, and for one that two callers have
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
  // What the look-up takes tells of the hash, from which nobody finds the key.
  return (key) => byHash.get(hashOf(key))
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
