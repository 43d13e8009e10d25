import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import pLimit from 'p-limit'

/** A command that can be run by hand. */
export interface Step {
  readonly title: string
  readonly command: readonly [string, ...string[]]
  readonly cwd: string
}

/**
 * Runs every step of every stage, also after a failure. Prints how long each took, which failed, and at the end
 * `N passed, N failed`. Steps of one stage run in parallel, one per core.
 * @returns whether all passed
 */
export async function runStages(stages: readonly (readonly Step[])[]): Promise<boolean> {
  const onePerCore = pLimit(availableParallelism())
  const failed: string[] = []
  for (const stage of stages) {
    const results = await onePerCore.map(stage, (step) => run(step, stage.length === 1))
    failed.push(...stage.filter((_step, index) => results[index] !== true).map(({ title }) => title))
  }
  if (failed.length > 0) console.log(`\nFAILED: ${failed.join('; ')}`)
  console.log(`\n${stages.flat().length - failed.length} passed, ${failed.length} failed`)
  return failed.length === 0
}

/**
 * A step alone in its stage prints at once. The output of parallel steps is printed when each ends, so that it stays together.
 */
async function run({ title, command, cwd }: Step, alone: boolean): Promise<boolean> {
  const [program, ...args] = command
  const head = `\n— ${title}: ${command.join(' ')}`
  if (alone) console.log(head)
  const startedAt = performance.now()
  const child = spawn(program, args, {
    cwd,
    stdio: ['ignore', alone ? 'inherit' : 'pipe', alone ? 'inherit' : 'pipe'],
    shell: process.platform === 'win32',
  })
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk))
  // A missing program fails its step; 'close' follows.
  child.once('error', (error) => output.push(Buffer.from(`${error.message}\n`)))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const took = ((performance.now() - startedAt) / 1_000).toFixed(1)
  if (!alone) console.log(head)
  process.stdout.write(Buffer.concat(output))
  console.log(`— ${title}: ${status === 0 ? 'ok' : 'FAILED'}, ${took} s`)
  return status === 0
}
