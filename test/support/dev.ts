import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, vi } from 'vitest'
import type { AtEnd } from './create.ts'
import { copySkeleton, removeCopy } from './service-copy.ts'

const bounded = { timeout: 60_000, interval: 50 }

export interface Dev {
  readonly dir: string
  readonly child: ChildProcess
  /** Its output in this test. */
  readonly lines: string[]
  /** The process ids of all services that have logged `listening`, in order. */
  readonly services: number[]
}

export const devCommand = ['--import', 'tsx', 'scripts/dev/dev.ts']
export const anyPorts = 'PORT=0\nADMIN_PORT=0\n'

/**
 * `npm run dev` without npm, in a copy of the skeleton, in its own process group, as in a terminal.
 * @param options.without packages that are not installed yet
 * @param options.terminal runs it on a pseudo terminal, whose keys are `child.stdin`
 */
export async function startDev(
  atEnd: AtEnd,
  options: { without?: string[]; terminal?: boolean; envFile?: string } = {},
): Promise<Dev> {
  const dir = await copySkeleton(options.without)
  await writeFile(join(dir, '.env'), options.envFile ?? anyPorts)
  const env = { PATH: process.env['PATH'], TERM: 'xterm-256color' }
  const child = options.terminal
    ? spawn('script', ['-qec', `node ${devCommand.join(' ')}`, '/dev/null'], {
        cwd: dir,
        env,
        detached: true,
      })
    : spawn(process.execPath, devCommand, {
        cwd: dir,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const services: number[] = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line)
      if (line.includes('"msg":"listening"')) services.push((JSON.parse(line) as { pid: number }).pid)
    })
  }
  atEnd(async () => {
    child.kill('SIGTERM')
    await exited
    await removeCopy(dir)
  })
  return { dir, child, lines, services }
}

export async function untilSaid(dev: Dev, text: string | RegExp): Promise<void> {
  await vi.waitFor(() => expect(dev.lines.join('\n')).toMatch(text), bounded)
}

/** Waits until services have logged `listening` this many times in this test. */
export async function untilListening(dev: Dev, times: number): Promise<void> {
  const listening = () => dev.lines.filter((line) => line.includes('"msg":"listening"'))
  await vi.waitFor(() => expect(listening(), dev.lines.join('\n')).toHaveLength(times), bounded)
}

export async function serverPid(dev: Dev): Promise<number> {
  return Number((await readFile(join(dev.dir, '.data/postgres/data/postmaster.pid'), 'utf8')).split('\n')[0])
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function expectOrderlyStop(dev: Dev, ...signals: NodeJS.Signals[]): Promise<void> {
  const started = [...dev.services, await serverPid(dev)]
  dev.lines.length = 0
  const exited = once(dev.child, 'exit')
  for (const signal of signals) process.kill(-(dev.child.pid ?? NaN), signal)

  expect(await exited).toEqual([0, null])

  expect(started.filter(isRunning)).toEqual([])
  expect(dev.lines.filter((line) => line.includes('"msg":"stopped"'))).toHaveLength(1)
  expect(dev.lines.filter((line) => line.includes('second signal'))).toEqual([])
}
