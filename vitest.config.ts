import { defineConfig } from 'vitest/config'
import { longTests } from './test/support/long-tests.ts'
import { LongestFirst } from './test/support/longest-first.ts'

/** The tests of this repository. templates/service and sample-service have their own tests and configs. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    exclude: [
      ...['test/slow/**', 'test/surroundings/**', 'test/pieces/**'],
      ...(process.env['LONG_TESTS'] === '1' ? [] : longTests),
    ],
    // The work is in other processes (npm, tsc, services): with vitest's default of one worker on two cores, one of them idles.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    // vitest's own second is short on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
