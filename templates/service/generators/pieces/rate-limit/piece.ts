import type { Flag, Piece } from '../../engine/piece.ts'
import { configured, inGuards, inProbes, onPlatform, variable } from '../../engine/places.ts'

const [mostRequests, mostSeconds] = [1_000_000, 86_400]

/** Limits how often a caller may ask, over all instances. */
export const rateLimit: Piece = {
  name: 'rate-limit',
  summary: 'a limit to the requests of each caller, which gets 429 beyond it',
  explained: `It guards every route except those that \`open\` in src/routes.ts names. It
identifies callers by principal, or without one by address.
src/platform/rate-limit/rate-limits.ts holds the limits.
`,
  examples: ['--requests 1000 --seconds 3600', '--store memory'],
  takes: 'nothing',
  folder: import.meta.dirname,
  wirings: [
    { ...inGuards, call: 'defaultLimit', from: './platform/rate-limit/rate-limits.ts' },
    { ...inProbes, call: 'probeLimitedRoutes', from: './probe.limits.ts' },
  ],
  migration: true,
  flags: [
    whole('requests', 'Requests that a caller may send at once', '100', mostRequests),
    whole('seconds', 'Seconds after which a caller may send them all again', '60', mostSeconds),
    {
      name: 'store',
      asks: 'Where they are counted: database, or memory if there is only one instance',
      otherwise: () => 'database',
      check: (value) => {
        if (value !== 'database' && value !== 'memory')
          throw new Error(`--store must be database or memory, not ${JSON.stringify(value)}.`)
      },
    },
  ],
  members: (_noun, { requests = '', seconds = '' }) => {
    const type = '{ readonly requests: number; readonly seconds: number }'
    return [
      variable(
        'RATE_LIMIT_REQUESTS',
        `integer(1, ${mostRequests}, ${requests}).describe('how many requests a caller may send at once; beyond that it gets 429')`,
        { import: { name: 'integer', from: './variables.ts' } },
      ),
      variable(
        'RATE_LIMIT_SECONDS',
        `integer(1, ${mostSeconds}, ${seconds}).describe('after how many seconds a caller may send them all again')`,
      ),
      configured('rateLimit', '{ requests: e.RATE_LIMIT_REQUESTS, seconds: e.RATE_LIMIT_SECONDS }'),
      ...onPlatform('rateLimit', { code: 'options.rateLimit', knows: ['options'] }, { code: type }),
      // The tests of the service send more requests than a client.
      {
        file: 'test/support/service.ts',
        within: 'environment',
        name: 'RATE_LIMIT_REQUESTS',
        code: "'100000'",
      },
    ]
  },
  shape:
    async (_service, _noun, { store = '' }) =>
    (path, text) =>
      path.endsWith('/rate-limits.ts') && store === 'memory'
        ? text
            .replace('databaseStore(platform)', 'memoryStore()')
            .replace('databaseStore', 'memoryStore')
            .replace('./database-store', './store')
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
