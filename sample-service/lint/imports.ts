import type { Linter } from 'eslint'

/** Refuses imports whose text matches `regex`: these names if given, else all. */
interface Refused {
  readonly regex: string
  readonly message: string
  readonly importNames?: string[]
}

const domain = '!(platform|context)'
const sideways =
  'A domain imports from itself, src/platform and src/context only. Let routes or prepare pass in what it needs, or move what two domains share to src/platform.'

const neighbours: Refused = { regex: '^\\.\\./(?!(?:platform|context)/)', message: sideways }

/** Only the program makes the one root of a process. Go: contextcheck. */
const root: Refused = {
  regex: '(?:^|/)context\\.ts$',
  importNames: ['background', 'todo'],
  message: 'src/main.ts has the one root of the process. Take `ctx: Context` as the first parameter instead.',
}
const testContext: Refused = {
  regex: '(?:^|/)test-context\\.ts$',
  message: 'testContext(t) is for tests. Take `ctx: Context` as the first parameter instead.',
}

const call = 'A call ends with its context: write client.fetch(ctx, …), which `npm run add -- client` brings.'
/** Packages that a domain reaches through the platform, whose functions take a context. */
const packages: readonly Refused[] = [
  { regex: '^@?hono(?:/|$)', message: 'A route is data: write route({ … }) of src/platform/http/route.ts.' },
  {
    regex:
      '^(?:pg|pg-.+|postgres|slonik|knex|mysql2|mongodb|redis|ioredis)(?:/|$)|^drizzle-orm/(?!pg-core$|zod$)',
    message: 'A query has a context: write db.run(ctx, (q) => …) of src/platform/database/database.ts.',
  },
  {
    regex: '^@opentelemetry/',
    message: 'A span hangs from a context: write span(ctx, name, work) of src/platform/telemetry/span.ts.',
  },
  {
    regex: '^(?:pino|winston|bunyan)(?:/|$)',
    message: 'A line belongs to a context: write log.info(ctx, …) of src/platform/telemetry/log.ts.',
  },
  { regex: '^(?:undici|axios|got|ky|node-fetch|superagent)(?:/|$)', message: call },
  {
    regex: '^(?:node:)?(?:http|https|http2)$',
    importNames: ['default', 'request', 'get', 'createServer', 'connect'],
    message: call,
  },
  {
    regex: '^(?:p-limit|p-queue|p-map|p-all|async|fastq|bottleneck)(?:/|$)',
    message: 'Concurrent work has a context of its own: write group(ctx, { limit }) of src/context/group.ts.',
  },
  {
    regex: '^(?:node-cron|cron|croner|agenda|bull|bullmq|bee-queue|graphile-worker)(?:/|$)',
    message: 'Work that outlives its request is a job: `npm run add -- job`, or schedule.',
  },
  {
    regex: '^(?:node:)?async_hooks$',
    message:
      'A context is passed on, never ambient. Take `ctx: Context`, and put the value into it with withValue.',
  },
]

/** The rooms: the folders of src/platform, and those that each imports from. No two rooms import from each other. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  telemetry: [],
  lifecycle: ['telemetry'],
  database: ['telemetry'],
  storage: ['telemetry'],
  client: ['telemetry'],
  http: ['lifecycle', 'telemetry'],
  uploads: ['http', 'storage', 'telemetry'],
  admin: ['http', 'telemetry'],
  auth: ['http', 'telemetry'],
  idempotency: ['platform', 'lifecycle', 'http', 'database', 'telemetry'],
  'rate-limit': ['platform', 'http', 'database', 'telemetry'],
  jobs: ['platform', 'lifecycle', 'database', 'telemetry'],
  feed: ['platform', 'http', 'telemetry'],
  events: ['platform', 'lifecycle', 'http', 'database', 'telemetry'],
}

/** The files directly in src/platform, from which every room may import. */
const leaves = ['causes', 'request', 'problem', 'gather', 'json', 'issue-text', 'validate']
const leaf: Refused = {
  // validate.ts may import issue-text.ts, which is a part of it, split off only to keep the files short.
  regex: '^(?:\\./(?!issue-text\\.ts$)|\\.\\./(?!context/))',
  message: 'Every folder of src/platform may import this file: it imports from src/context only.',
}

/**
 * Imports run one way: main → routes, workers, prepare → domains → platform → context. ESLint's own rule reads only the text of
 * an import, so it also covers the pieces of generators/, which import as if they were in src/. The last row that matches a file
 * applies to it.
 */
export const imports: Linter.Config[] = [
  only('src/*.ts', {
    regex: '^\\.',
    message: 'This file imports nothing of the service. Let main pass in what it needs.',
  }),
  only('src/config.ts', {
    regex: '^\\.(?!/variables\\.ts$)',
    message: 'This file imports variables.ts only: the environment is read before all else.',
  }),
  only('src/{routes,workers,jobs,events,consumers,prepare}.ts', {
    regex: '^\\./(?!(?:routes|workers|jobs|events|consumers|prepare)\\.ts$|[^/]+/)',
    message: 'Import from the domains, src/platform and src/context only. Let main pass in what is needed.',
  }),
  only(`src/${domain}/*.ts`, neighbours, ...packages),
  // An app of Hono that routes.ts mounts as it is.
  only(`src/${domain}/*.hono.ts`, neighbours, ...packages.filter(({ regex }) => !regex.includes('hono'))),
  // A foreign key refers to a table of another domain.
  only(
    `src/${domain}/*.schema.ts`,
    { regex: '^\\.\\./(?!(?:platform|context)/|[^./]+/[^/]+\\.schema\\.ts$)', message: sideways },
    ...packages,
  ),
  only(
    `src/${domain}/*/*.ts`,
    { regex: '^\\.\\./\\.\\./(?!(?:platform|context)/)', message: sideways },
    ...packages,
  ),
  only('src/platform/*.ts', leaf),
  only('src/platform/problem.ts', { ...leaf, regex: '^(?:\\./(?!causes\\.ts$)|\\.\\./(?!context/))' }),
  only('src/platform/{platform,schemas}.ts', {
    regex: '^(?:\\./admin/|\\.\\./(?!context/))',
    message:
      'platform.ts opens what is in every folder but admin, which shows the process: main opens that one.',
  }),
  ...Object.entries(rooms).map(([room, below]) =>
    only(`src/platform/${room}/*.ts`, {
      regex: `^\\.\\./(?!(?:${[...below, ...leaves].join('|')})(?:/|\\.ts$)|\\.\\./context/)`,
      message: `src/platform/${room} imports from ${[...below, 'context'].join(', ')} and the files directly in src/platform only.`,
    }),
  ),
  // The context itself, its wrappers, and the programs: each program is a process with its own root.
  refuse(['src/context/*.ts'], {
    regex: '^\\.\\./',
    message: 'src/context imports nothing of the service. Take what it needs as a parameter.',
  }),
  refuse(['src/main.ts', 'src/migrate.ts'], { ...root, importNames: ['todo'] }, testContext),
  refuse(['**/*.test.ts', 'test/**/*.ts'], {
    ...root,
    message: 'A test takes testContext(t), which ends with it.',
  }),
  { files: ['**/context/*.test.ts'], rules: { 'no-restricted-imports': 'off' } },
]

/** For files of src/, and for those of the pieces. */
function only(file: string, ...refused: readonly Refused[]): Linter.Config {
  return refuse([file, `generators/pieces/*/${file}`], ...refused, root, testContext)
}

function refuse(files: string[], ...refused: readonly Refused[]): Linter.Config {
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: refused }] } }
}
