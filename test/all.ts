/**
 * `npm run test:all`: everything that `npm test` runs, and the checks that take too long for it: ESLint on the sample, the
 * service with real proxies and poolers, the image, all checks of each piece, random nouns and fields, every pair of pieces,
 * every bench at its shortest, each supported line of Node, each package manager, and the trials. It takes some two hours on two
 * cores, and runs before a release. `-- --only image,matrix` runs the named ones.
 */
import { join } from 'node:path'
import { readFlags } from '../templates/service/scripts/command-line.ts'
import { longInPart, longTests } from './support/long-tests.ts'
import { runStages, type Step } from './support/stages.ts'

const root = join(import.meta.dirname, '..')
const slow = ['npx', 'vitest', 'run', '--config', 'vitest.slow.config.ts'] as const

const steps: readonly Step[] = [
  { title: 'test', command: ['npm', 'test'], cwd: root },
  { title: 'sample', command: ['npm', 'run', 'lint'], cwd: join(root, 'sample-service') },
  { title: 'rest', command: ['npm', 'test', '--', '--rest'], cwd: root },
  { title: 'surroundings', command: ['npm', 'run', 'test:surroundings'], cwd: root },
  { title: 'image', command: [...slow, 'test/slow/image.test.ts'], cwd: root },
  { title: 'pieces', command: [...slow, 'test/slow/pieces.test.ts'], cwd: root },
  { title: 'removal', command: [...slow, 'test/slow/removal.test.ts'], cwd: root },
  { title: 'property', command: [...slow, 'test/slow/property.test.ts'], cwd: root },
  { title: 'benches', command: [...slow, 'test/slow/benches.test.ts'], cwd: root },
  {
    title: 'long',
    command: ['env', 'LONG_TESTS=1', 'EVERY_WRITE=1', 'npx', 'vitest', 'run', ...longTests, ...longInPart],
    cwd: root,
  },
  { title: 'nodes', command: ['npm', 'run', 'nodes'], cwd: root },
  { title: 'managers', command: ['npm', 'run', 'managers'], cwd: root },
  { title: 'matrix', command: ['npm', 'run', 'matrix'], cwd: root },
  { title: 'fuzz', command: ['npm', 'run', 'fuzz'], cwd: root },
  { title: 'crash', command: ['npm', 'run', 'crash'], cwd: root },
  { title: 'idempotency', command: ['npm', 'run', 'idempotency'], cwd: root },
  { title: 'restart', command: ['npm', 'run', 'restart'], cwd: root },
]

const values = readFlags('test:all', 'runs every test, the slow ones too', { only: { type: 'string' } })
const chosen = values.only?.split(',') ?? steps.map(({ title }) => title)
const unknown = chosen.find((name) => !steps.some(({ title }) => title === name))
if (unknown !== undefined) {
  throw new Error(`--only ${unknown}: choose from ${steps.map(({ title }) => title).join(', ')}`)
}
const passed = await runStages(steps.filter(({ title }) => chosen.includes(title)).map((step) => [step]))
process.exitCode = passed ? 0 : 1
