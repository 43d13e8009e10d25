import { defineConfig } from 'vitest/config'

/** The tests of this repository. What it emits is tested where it lies: by its own config in templates/service and sample-service. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**'],
    // The work is in other processes (npm, tsc, services): with vitest's default of one worker on two cores, one of them idles.
    maxWorkers: '100%',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
