import { createHash } from 'node:crypto'
import type { Principal } from './principal.ts'

/**
 * Reads AUTH_API_KEYS: `NAME:SHA256:SCOPE SCOPE`, with commas between several. The configuration holds hashes, so that who reads it
 * has no key; a key is long and random, so that a plain SHA-256 hides it.
 * @returns what finds the principal of a key
 */
export function apiKeys(list: string | undefined): (key: string) => Principal | undefined {
  const byHash = new Map<string, Principal>()
  for (const one of list?.split(',') ?? []) {
    const [name = '', hash = '', scopes = ''] = one
      .trim()
      .split(':', 2)
      .concat(one.trim().split(':').slice(2).join(':'))
    byHash.set(hash, {
      id: `key:${name}`,
      scopes: scopes.split(' ').filter((scope) => scope !== ''),
      claims: {},
    })
  }
  // What the look-up takes tells of the hash, from which nobody finds the key.
  return (key) => byHash.get(createHash('sha256').update(key).digest('hex'))
}
