/**
 * Proofs of the service, relative to it, that start and stop it often and so take long: `npm test` leaves them to `npm run
 * test:all`. The service's own tests in test/guarantees/ always run.
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
