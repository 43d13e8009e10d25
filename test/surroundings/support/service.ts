import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { inject } from 'vitest'
import { endWithThisProcess } from '../../../templates/service/scripts/postgres/watchdog.ts'
import type { Emitted } from './emitted.ts'
import { temporaryFolder, type Scope } from './daemon.ts'

/** One line of the service's log. */
export type Line = Readonly<Record<string, unknown>> & { readonly msg: string }

/** A built program of the emitted service, run as an operator runs it. */
export interface Started {
  readonly child: ChildProcess
  /** Every line so far. */
  readonly log: readonly Line[]
  /** Settles with the exit code when it has ended and its log has been read; null if a signal ended it. */
  readonly exited: Promise<number | null>
  /** The first line, past or future, that `matches`; rejects with the log if the program ends without one. */
  line(matches: (line: Line) => boolean): Promise<Line>
}

export interface Service extends Started {
  readonly port: number
  readonly adminPort: number
  readonly url: string
}

export interface StartOptions {
  /** At least DATABASE_URL. From its own environment this process passes on only PATH. */
  readonly env: Readonly<Record<string, string>>
  readonly kind?: keyof Emitted
  /** A command that becomes the program: it gets the program as its last arguments. */
  readonly through?: readonly string[]
}

/** Starts `node dist/<program>` of the emitted service. It is killed with its scope. */
export function startProgram(t: Scope, program: 'main' | 'migrate', options: StartOptions): Started {
  const command = [...(options.through ?? []), process.execPath, `dist/${program}.js`]
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: inject('emitted')[options.kind ?? 'plain'],
    env: { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0', NODE_ENV: 'production', ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithThisProcess(child, 'TERM')
  const exited = once(child, 'close').then(([code]) => code as number | null)
  t.onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const log: Line[] = []
  const watchers = new Set<(line: Line) => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    log.push(line)
    for (const watcher of watchers) watcher(line)
  })
  return {
    child,
    log,
    exited,
    line(matches) {
      const present = log.find(matches)
      if (present !== undefined) return Promise.resolve(present)
      return new Promise((resolve, reject) => {
        const watcher = (line: Line): void => {
          if (!matches(line)) return
          watchers.delete(watcher)
          resolve(line)
        }
        watchers.add(watcher)
        const said = (): string => log.map((line) => JSON.stringify(line)).join('\n')
        exited.then((code) => reject(new Error(`${program} ended with ${code}:\n${said()}`)), reject)
      })
    },
  }
}

/** Starts the service and waits until it listens. It has a new folder for uploads unless `env` names one. */
export async function startService(t: Scope, options: StartOptions): Promise<Service> {
  const folder = options.env['UPLOAD_DIR'] ?? (await temporaryFolder(t, 'uploads'))
  const started = startProgram(t, 'main', { ...options, env: { UPLOAD_DIR: folder, ...options.env } })
  const listening = await started.line(({ msg }) => msg === 'listening')
  const [port, adminPort] = [Number(listening['port']), Number(listening['adminPort'])]
  return { ...started, port, adminPort, url: `http://127.0.0.1:${port}` }
}

/** `node dist/migrate.js`, which is `db:migrate` in the image. @returns the migrations that it applied */
export async function migrate(t: Scope, options: StartOptions): Promise<readonly unknown[]> {
  const line = await startProgram(t, 'migrate', options).line(({ msg }) => msg === 'migrated')
  return line['applied'] as unknown[]
}
