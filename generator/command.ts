import { spawn, type ChildProcess } from 'node:child_process'
import { afterFunc, type Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'

/** How a program ended. */
export interface CommandResult {
  /** Its exit code, or null if a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  /** What it wrote to stdout and stderr, in the order it arrived. */
  readonly output: string
}

/** How long a program may clean up after SIGTERM before it is killed, in ms. */
const graceMs = 5_000

/**
 * Runs a program to its end, without input. When ctx ends, it sends SIGTERM to the program's process group, SIGKILL after
 * 5 s, and waits for the program.
 * @throws the error of starting it (ENOENT); the cause of ctx when it ends
 */
export async function execute(
  ctx: Context,
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<CommandResult> {
  throwIfEnded(ctx)
  const windows = process.platform === 'win32'
  const child = spawn(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    // In its own process group, signals reach npm's children too, and Ctrl-C in the terminal reaches it only through us.
    detached: !windows,
    // On Windows package managers are .cmd files, which only a shell can start.
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
    // The program has ended; its children may not have.
    if (ctx.err !== undefined) signalGroup(child, 'SIGKILL')
    throwIfEnded(ctx)
    return { code, stdout, output }
  } finally {
    stop()
    clearTimeout(killer)
  }
}

/** The last non-empty lines of a program's output. */
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
    // The group is empty: all its processes have ended.
  }
}
