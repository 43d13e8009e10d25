import type { Piece } from '../../engine/piece.ts'
import { inProbes } from '../../engine/places.ts'

/**
 * The code that calls other services under a context, with retries and a circuit breaker. `npm run add` adds it with the first
 * client.
 */
export const circuit: Piece = {
  name: 'circuit',
  summary: 'calls of other services',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [{ ...inProbes, call: 'probeClientRoutes', from: './probe.client.ts' }],
  dependencies: { cockatiel: '^3.2.1' },
}
