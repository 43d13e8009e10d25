/**
 * `npm test`: everything, in the order in which a failure is cheapest to learn of. Each step is a command that can
 * be run by hand, and prints how long it took. The first that fails ends the run.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Step {
  readonly title: string
  readonly command: readonly [string, ...string[]]
  readonly cwd?: string
}

const scratch = mkdtempSync(join(tmpdir(), 'mainstem-test-'))

const steps: readonly Step[] = [
  { title: 'types', command: ['npm', 'run', 'check'] },
  { title: 'lint', command: ['npm', 'run', 'lint'] },
  { title: 'format', command: ['npm', 'run', 'format:check'] },
  { title: 'the command, the sample, the tarball, add', command: ['npx', 'vitest', 'run'] },
  { title: 'the templates, where they lie', command: ['npm', 'test'], cwd: 'templates/service' },
  // Of the sample only what the skeleton does not have: the rest is the skeleton's, byte for byte.
  { title: 'the sample service', command: ['npm', 'test', '--', 'src/documents'], cwd: 'sample-service' },
  {
    title: 'a created service, outside of this repository',
    command: ['npm', 'run', 'create', '--', join(scratch, 'my-service'), '--yes', '--verify'],
  },
]

let failed: Step | undefined
try {
  for (const step of steps) {
    const [program, ...args] = step.command
    console.log(`\n— ${step.title}: ${step.command.join(' ')}`)
    const startedAt = performance.now()
    const { status } = spawnSync(program, args, {
      cwd: join(import.meta.dirname, '..', step.cwd ?? ''),
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    })
    console.log(`— ${step.title}: ${status === 0 ? 'ok' : 'FAILED'}, ${seconds(startedAt)} s`)
    if (status !== 0) {
      failed = step
      break
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

const passed = failed === undefined ? steps.length : steps.indexOf(failed)
console.log(`\n${passed} passed, ${failed === undefined ? 0 : 1} failed`)
process.exit(failed === undefined ? 0 : 1)

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1)
}
