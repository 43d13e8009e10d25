import { spawn, type ChildProcess } from 'node:child_process'
import { afterFunc, type Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'

/** How another program ended. */
export interface Outcome {
  /** Its exit code; 128 + the signal's number is not made up: null if a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  /** What it wrote to stdout and stderr, in the order it arrived. */
  readonly output: string
}

/** What a program that is told to stop may take to clean up, in ms, before it is killed. */
const graceMs = 5_000

/**
 * Runs a program to its end, without input. When ctx ends, the program and all that it started are told to stop
 * (SIGTERM to its process group), killed after 5 s, and waited for.
 * @throws the error of starting it (ENOENT); the cause of ctx when it ends
 */
export async function runCommand(
  ctx: Context,
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Outcome> {
  throwIfEnded(ctx)
  const windows = process.platform === 'win32'
  const child = spawn(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, to reach what npm starts too, and so that a Ctrl-C in the terminal reaches it once, through us.
    detached: !windows,
    // npm and its like are .cmd files there, which only a shell starts.
    shell: windows,
  })
  let stdout = ''
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  let killer: NodeJS.Timeout | undefined
  const stop = afterFunc(ctx, () => {
    signalGroup(child, 'SIGTERM')
    killer = setTimeout(() => {
      signalGroup(child, 'SIGKILL')
      child.stdout.destroy()
      child.stderr.destroy()
    }, graceMs)
  })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    // The program obeyed; what it started may not have.
    if (ctx.err !== undefined) signalGroup(child, 'SIGKILL')
    throwIfEnded(ctx)
    return { code, stdout, output }
  } finally {
    stop()
    clearTimeout(killer)
  }
}

/** The last lines of what a program wrote, without the empty ones. */
export function lastLines(output: string, count: number): string {
  const lines = output.split(/\r?\n/).filter((line) => line.trim() !== '')
  return lines.slice(-count).join('\n')
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // The group is empty: all of it has ended.
  }
}
