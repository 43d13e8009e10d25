/**
 * Proofs of the service, relative to it, that start and stop it so often that nobody should wait for them: `npm test` leaves
 * them to `npm run test:all`. What a service proves itself, in test/guarantees/, always runs.
 */
export const longProofs: readonly string[] = [
  'connections',
  'database-outages',
  'faults',
  'lifecycle-trace',
  'lost-output',
  'shutdown-clients',
  'start-up-refusals',
].map((name) => `test/proofs/guarantees/${name}.test.ts`)
