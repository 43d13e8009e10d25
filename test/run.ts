/**
 * `npm test`: every stage, those that fail fastest first. A failure does not stop the rest; the exit code is 1 if any
 * stage failed. `npm test -- --rest` runs the files of tests that it leaves out.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFlags } from '../templates/service/scripts/command-line.ts'
import { longProofs } from './support/long-proofs.ts'
import { laterTests } from './support/long-tests.ts'
import { keepTemporaryFilesInMemory } from './support/memory.ts'
import { runStages, type Step } from './support/stages.ts'

const { rest = false } = readFlags(
  'test',
  'runs the tests that take eight minutes; with --rest, only the others that .ci/run runs',
  {
    rest: { type: 'boolean' },
  },
)
keepTemporaryFilesInMemory()
const root = join(import.meta.dirname, '..')
const template = join(root, 'templates/service')
const sample = join(root, 'sample-service')
const scratch = mkdtempSync(join(tmpdir(), 'mainstem-test-'))

/** The files that only the sample has: the rest equals the skeleton's, byte for byte. */
const ofTheSample = ['src/documents', 'src/routes.ts', 'src/prepare.ts']

/** What the sample has from the templates, which are formatted where they lie. */
const formattedElsewhere = ['generators', 'lint', 'scripts', 'test', 'src/context', 'src/platform'].map(
  (folder) => `!sample-service/${folder}/**`,
)

/** vitest's flags that leave these files out. */
function without(files: readonly string[]): string[] {
  return files.map((path) => `--exclude=${path}`)
}

const stages: readonly (readonly Step[])[] = [
  [
    { title: 'types', command: ['npm', 'run', 'check'], cwd: root },
    { title: 'lint', command: ['npm', 'run', 'lint:here'], cwd: root },
    { title: 'lint of the templates', command: ['npm', 'run', 'lint'], cwd: template },
    { title: 'oxlint of the sample', command: ['npx', 'oxlint', ...ofTheSample], cwd: sample },
    { title: 'format', command: ['npx', 'prettier', '--check', '.', ...formattedElsewhere], cwd: root },
  ],
  [
    {
      title: 'the command, the tarball, add',
      command: ['npx', 'vitest', 'run', ...without(laterTests)],
      cwd: root,
    },
    {
      title: 'a created service, outside of this repository',
      command: ['npm', 'run', 'create', '--', join(scratch, 'my-service'), '--yes', '--verify'],
      cwd: root,
    },
    {
      title: 'the sample service',
      command: ['npm', 'test', '--', ...ofTheSample],
      cwd: sample,
    },
  ],
  // Alone, because some of them measure.
  [
    {
      title: 'the templates, where they lie',
      command: ['npm', 'test', '--', ...without(longProofs)],
      cwd: template,
    },
  ],
]

/** What `stages` leave out. */
const left: readonly (readonly Step[])[] = [
  [{ title: 'the rest of the command', command: ['npx', 'vitest', 'run', ...laterTests], cwd: root }],
  [{ title: 'the rest of the proofs', command: ['npm', 'test', '--', ...longProofs], cwd: template }],
]

try {
  process.exitCode = (await runStages(rest ? left : stages)) ? 0 : 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
