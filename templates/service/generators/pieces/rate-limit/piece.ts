import type { Flag, Piece } from '../../engine/piece.ts'

/** Limits how often a caller may ask, over all instances. */
export const rateLimit: Piece = {
  name: 'rate-limit',
  summary: 'how often a caller may ask: 429 beyond',
  explained: `It guards all routes but probes, by the principal of a request, else by the address of its client.
src/platform/rate-limit/rate-limits.ts says which limit is where.
`,
  examples: ['--requests 1000 --seconds 3600', '--store memory'],
  takes: 'nothing',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/routes.ts',
      within: 'routes',
      as: 'around',
      call: 'rateLimited',
      from: './platform/rate-limit/rate-limits.ts',
      takes: ['Platform'],
    },
    {
      file: 'test/support/probe.routes.ts',
      within: 'routes',
      as: 'element',
      call: 'probeLimitedRoutes',
      from: './probe.limits.ts',
      takes: ['Platform'],
    },
  ],
  migration: true,
  flags: [
    whole('requests', 'How many requests a caller may send at once', '100', 1_000_000),
    whole('seconds', 'In how many seconds as many come back', '60', 86_400),
    {
      name: 'store',
      asks: 'Where they are counted, database or memory (for one instance)',
      otherwise: () => 'database',
      check: (value) => {
        if (value !== 'database' && value !== 'memory')
          throw new Error(`--store must be database or memory, not ${JSON.stringify(value)}.`)
      },
    },
  ],
  shape:
    async (_service, _noun, { requests = '', seconds = '', store = '' }) =>
    (path, text) =>
      path.endsWith('/rate-limits.ts')
        ? text
            .replace('requests: 100', `requests: ${requests}`)
            .replace('seconds: 60', `seconds: ${seconds}`)
            .replace(/databaseStore\(platform\)/, store === 'memory' ? 'memoryStore()' : '$&')
            .replace(
              /import \{ databaseStore \}.*/,
              store === 'memory' ? "import { memoryStore } from './memory-store.ts'" : '$&',
            )
        : text,
}

function whole(name: string, asks: string, standard: string, most: number): Flag {
  return {
    name,
    asks,
    otherwise: () => standard,
    check: (value) => {
      if (!/^[1-9]\d{0,6}$/.test(value) || Number(value) > most)
        throw new Error(`--${name} must be a whole number from 1 to ${most}, not ${JSON.stringify(value)}.`)
    },
  }
}
