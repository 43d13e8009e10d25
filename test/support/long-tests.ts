/** Files of test/ that `npm test` leaves to `.ci/run` and `npm run test:all`, so that it takes eight minutes at most. */
export const laterTests = [
  'test/add/proof.test.ts',
  'test/add/record.test.ts',
  'test/add/remove.test.ts',
  'test/create/workspace.test.ts',
  'test/emitted/demo.test.ts',
  'test/emitted/dev-all-day.test.ts',
  'test/emitted/events.test.ts',
  'test/emitted/inspector.test.ts',
  'test/emitted/seed.test.ts',
  'test/update/git.test.ts',
  'test/update/interrupted.test.ts',
  'test/update/workspace.test.ts',
]

/** Files of test/ that take too long for `.ci/run` as well: only `npm run test:all` runs them. */
export const longTests = [
  'test/add/auth.test.ts',
  'test/add/killed.test.ts',
  'test/add/openapi.test.ts',
  'test/emitted/exported.test.ts',
  'test/update/adopt.test.ts',
  'test/update/all-or-nothing.test.ts',
  'test/update/checkouts.test.ts',
  'test/update/disk.test.ts',
  'test/update/every-piece.test.ts',
  'test/update/pieces.test.ts',
]

/** Files that do more with LONG_TESTS=1, which `npm run test:all` sets. */
export const longInPart = ['test/add/proof.test.ts', 'test/emitted/broken-pipe.test.ts']
