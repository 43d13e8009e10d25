import { defineConfig } from 'vitest/config'

/** Tests that take minutes, each with a command of its own in package.json; `npm test` leaves them out. */
export default defineConfig({
  test: {
    include: ['test/slow/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    // vitest's own second is short on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
})
