/**
 * `npm test`: everything, in the order in which a failure is cheapest to learn of. Each step is a command that can
 * be run by hand, and prints how long it took. Steps of one stage run beside each other, one per core, for each keeps
 * one core busy; the first stage in which one fails is the last.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'

import pLimit from 'p-limit'

interface Step {
  readonly title: string
  readonly command: readonly [string, ...string[]]
  readonly cwd?: string
}

const scratch = mkdtempSync(join(tmpdir(), 'mainstem-test-'))

const stages: readonly (readonly Step[])[] = [
  [
    { title: 'types', command: ['npm', 'run', 'check'] },
    { title: 'lint', command: ['npm', 'run', 'lint:here'] },
    { title: 'lint of the templates', command: ['npm', 'run', 'lint'], cwd: 'templates/service' },
    { title: 'lint of the sample', command: ['npm', 'run', 'lint'], cwd: 'sample-service' },
    { title: 'format', command: ['npm', 'run', 'format:check'] },
  ],
  [{ title: 'the command, the sample, the tarball, add', command: ['npx', 'vitest', 'run'] }],
  [{ title: 'the templates, where they lie', command: ['npm', 'test'], cwd: 'templates/service' }],
  // Of the sample only what the skeleton does not have: the rest is the skeleton's, byte for byte.
  [{ title: 'the sample service', command: ['npm', 'test', '--', 'src/documents'], cwd: 'sample-service' }],
  [
    {
      title: 'a created service, outside of this repository',
      command: ['npm', 'run', 'create', '--', join(scratch, 'my-service'), '--yes', '--verify'],
    },
  ],
]

let passed = 0
let failed = 0
const onePerCore = pLimit(availableParallelism())
try {
  for (const stage of stages) {
    const outcomes = await Promise.all(stage.map((step) => onePerCore(() => run(step, stage.length === 1))))
    passed += outcomes.filter((ok) => ok).length
    failed += outcomes.filter((ok) => !ok).length
    if (failed > 0) break
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

/** What a step alone in its stage prints is seen as it comes; of those beside each other it is kept until the step's end. */
async function run({ title, command, cwd }: Step, alone: boolean): Promise<boolean> {
  const [program, ...args] = command
  if (alone) console.log(`\n— ${title}: ${command.join(' ')}`)
  const startedAt = performance.now()
  const child = spawn(program, args, {
    cwd: join(import.meta.dirname, '..', cwd ?? ''),
    stdio: alone ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })
  const output: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => output.push(chunk))
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (!alone) console.log(`\n— ${title}: ${command.join(' ')}\n${Buffer.concat(output).toString()}`)
  console.log(
    `— ${title}: ${status === 0 ? 'ok' : 'FAILED'}, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
  )
  return status === 0
}
