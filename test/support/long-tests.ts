/** Files of test/ that take too long to wait for: `npm test` leaves them out, `npm run test:all` runs them. */
export const longTests = [
  'test/add/auth.test.ts',
  'test/add/killed.test.ts',
  'test/add/openapi.test.ts',
  'test/update/all-or-nothing.test.ts',
  'test/update/every-piece.test.ts',
  'test/update/pieces.test.ts',
]
