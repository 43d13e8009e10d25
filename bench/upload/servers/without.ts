// Removes the hash, or the syncs, from the service's directory.ts, to measure the cost of each. The service itself has no switch
// for either: BENCH_WITHOUT=hash, or hash,sync.
import { register } from 'node:module'

const without = (process.env['BENCH_WITHOUT'] ?? '').split(',')
const replaced = {
  'node:crypto': without.includes('hash') ? new URL('./no-hash.ts', import.meta.url).href : undefined,
  'node:fs/promises': without.includes('sync') ? new URL('./no-sync.ts', import.meta.url).href : undefined,
}

register(
  `data:text/javascript,${encodeURIComponent(`
    const replaced = ${JSON.stringify(replaced)}
    export async function resolve(specifier, context, next) {
      const other = context.parentURL?.split('?')[0].endsWith('/src/platform/storage/directory.ts') ? replaced[specifier] : undefined
      return other === undefined ? next(specifier, context) : { ...(await next(other, context)), shortCircuit: true }
    }`)}`,
)
