import { defineConfig } from 'vitest/config'

/** The tests of this repository. What it emits is tested where it lies: by its own config in templates/service and sample-service. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
