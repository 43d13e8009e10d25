/**
 * Proofs of the service, relative to it, that start and stop it so often, or measure for so long, that nobody should wait for
 * them: `npm test` leaves them to `.ci/run` and `npm run test:all`. What a service proves itself, in test/guarantees/, always runs.
 */
export const longProofs: readonly string[] = [
  'clock',
  'connections',
  'database-outages',
  'faults',
  'lifecycle-trace',
  'lost-output',
  'overload-callers',
  'overload-end',
  'overload-measure',
  'shutdown-clients',
  'start-up-refusals',
].map((name) => `test/proofs/guarantees/${name}.test.ts`)
