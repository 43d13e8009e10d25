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

/** What the skeleton does not have: the rest of the sample is the skeleton's, byte for byte. */
const ofTheSample = ['src/documents', 'src/routes.ts', 'src/prepare.ts']

const stages: readonly (readonly Step[])[] = [
  [
    { title: 'types', command: ['npm', 'run', 'check'] },
    { title: 'lint', command: ['npm', 'run', 'lint:here'] },
    { title: 'lint of the templates', command: ['npm', 'run', 'lint'], cwd: 'templates/service' },
    {
      title: 'lint of the sample',
      command: ['npx', 'eslint', '--max-warnings', '0', ...ofTheSample],
      cwd: 'sample-service',
    },
    { title: 'format', command: ['npm', 'run', 'format:check'] },
  ],
  [{ title: 'the command, the sample, the tarball, add', command: ['npx', 'vitest', 'run'] }],
  [{ title: 'the templates, where they lie', command: ['npm', 'test'], cwd: 'templates/service' }],
  [{ title: 'the sample service', command: ['npm', 'test', '--', ...ofTheSample], cwd: 'sample-service' }],
  [
    {
      title: 'a created service, outside of this repository',
      command: ['npm', 'run', 'create', '--', join(scratch, 'my-service'), '--yes', '--verify'],
    },
  ],
]

const results: boolean[] = []
const onePerCore = pLimit(availableParallelism())
try {
  for (const stage of stages) {
    results.push(...(await onePerCore.map(stage, (step) => run(step, stage.length === 1))))
    if (results.includes(false)) break
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

const passed = results.filter((ok) => ok).length
console.log(`\n${passed} passed, ${results.length - passed} failed`)
process.exit(passed === results.length ? 0 : 1)

/** A step alone in its stage is seen at work; what one beside others prints is kept until its end, so that it reads in one piece. */
async function run({ title, command, cwd }: Step, alone: boolean): Promise<boolean> {
  const [program, ...args] = command
  const head = `\n— ${title}: ${command.join(' ')}`
  if (alone) console.log(head)
  const startedAt = performance.now()
  const child = spawn(program, args, {
    cwd: join(import.meta.dirname, '..', cwd ?? ''),
    stdio: ['ignore', alone ? 'inherit' : 'pipe', alone ? 'inherit' : 'pipe'],
    shell: process.platform === 'win32',
  })
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk))
  // A program that is not there fails its step; 'close' follows.
  child.once('error', (error) => output.push(Buffer.from(`${error.message}\n`)))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const took = ((performance.now() - startedAt) / 1_000).toFixed(1)
  if (!alone) console.log(head)
  process.stdout.write(Buffer.concat(output))
  console.log(`— ${title}: ${status === 0 ? 'ok' : 'FAILED'}, ${took} s`)
  return status === 0
}
