import { defineConfig } from 'vitest/config'

/** The emitted service with the programs around it in production: `npm run test:surroundings`. `npm test` leaves them out. */
export default defineConfig({
  test: {
    include: ['test/surroundings/**/*.test.ts'],
    globalSetup: ['test/surroundings/global-setup.ts'],
    // Most of it is waiting for other processes: with one worker on two cores, one core idles.
    maxWorkers: '100%',
    // vitest's own second is short on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
