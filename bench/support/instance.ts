import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sample, startSampleProcess, type Line, type Running } from './process.ts'

/** The sample service, built, as a process. Disposing kills it. */
export interface Instance extends Running {
  /** Milliseconds from its start until it listened. */
  readonly startMs: number
  /** Without the lines of requests. */
  readonly log: readonly Line[]
}

/** Runs `npm run build` of the sample, so that the bench measures what an operator runs. */
export async function buildSample(ctx: Context): Promise<void> {
  await promisify(execFile)('npm', ['run', 'build'], { cwd: sample, signal: ctx.signal })
}

/** Starts one with `env` and no other environment. @throws Error with its last line if it does not listen */
export async function startInstance(ctx: Context, env: Readonly<Record<string, string>>): Promise<Instance> {
  const startedAt = performance.now()
  const log: Line[] = []
  const read = (text: string): Line => {
    const line = JSON.parse(text) as Line
    if (line.msg !== 'request') log.push(line)
    return line
  }
  const running = await startSampleProcess(ctx, { args: ['dist/main.js'], env, ipc: false, read })
  return { ...running, startMs: performance.now() - startedAt, log }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
