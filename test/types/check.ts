/**
 * `npm run check`: the types of this repository, the templates and the pieces by TypeScript 7, and their
 * migrations by drizzle-kit. The sample is made of the same files; TypeScript 6 checks its twin where `npm test`
 * creates it, with its own `check`.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readFlags } from '../../templates/service/scripts/command-line.ts'
import { runStages, type Step } from '../support/stages.ts'

const root = join(import.meta.dirname, '../..')
const service = 'templates/service'

/** The compiler of this folder's package.json: that of the root is TypeScript 6. */
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

/** The longest first, so that it does not run alone at the end. */
const projects = [
  service,
  '.',
  `${service}/generators/pieces`,
  `${service}/generators/pieces/typed`,
  'test/pieces',
  'templates/example',
]

const types: readonly Step[] = projects.map((project) => ({
  title: `types of ${project}`,
  command: [process.execPath, compiler, '--noEmit', '-p', project],
  cwd: root,
}))

const migrations: readonly Step[] = [service, 'sample-service'].map((folder) => ({
  title: `migrations of ${folder}`,
  command: ['npx', 'drizzle-kit', 'check'],
  cwd: join(root, folder),
}))

readFlags('check', 'checks the types and the migrations of this repository and its templates', {})
process.exitCode = (await runStages([[...types, ...migrations]])) ? 0 : 1
