/**
 * Proofs of the service, relative to it, that start and stop it often, or measure, and so take long: `npm test` leaves them to
 * `.ci/run` and `npm run test:all`. The service's own tests in test/guarantees/ always run.
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
