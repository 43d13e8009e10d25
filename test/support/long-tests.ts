/** Files of test/ that take too long for `npm test`; `npm run test:all` runs them. */
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

/** Files that do more with LONG_TESTS=1: `npm test` runs them without it, `npm run test:all` with it. */
export const longInPart = ['test/add/proof.test.ts', 'test/emitted/broken-pipe.test.ts']
