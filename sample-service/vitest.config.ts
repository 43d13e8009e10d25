import { defineConfig } from 'vitest/config'

/** The tests start the service as a process and talk to a real PostgreSQL: minutes are bounds, seconds are usual. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    pool: 'forks',
    // The work is in other processes: Postgres and the services that tests start.
    maxWorkers: '100%',
    // vitest's own second is short on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
  },
})
