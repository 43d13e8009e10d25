import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { until } from '../../templates/service/src/context/until.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import type { Subject } from './subjects.ts'

/** A running subject. */
export interface Server {
  readonly pid: number
  readonly url: string
  /** The folder in which it stores uploads. */
  readonly directory: string
  /** Resolves when it has ended. */
  kill(): Promise<void>
}

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const startTimeoutMs = 30_000

/** Starts `subject` as a process that writes below `directory`, and waits for it to listen. */
export async function startServer(
  ctx: Context,
  subject: Subject,
  directory: string,
  databaseUrl: string,
): Promise<Server> {
  const preload = subject.preload === undefined ? [] : ['--import', subject.preload]
  const child = spawn(process.execPath, ['--import', tsx, ...preload, subject.program, directory], {
    cwd: subject.cwd,
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'info',
      DATABASE_URL: databaseUrl,
      UPLOAD_DIR: directory,
      UPLOAD_MAX_BYTES: String(2 ** 40),
      ...subject.env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  try {
    const listening = new Promise<number>((resolve, reject) => {
      let said = 'nothing'
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = JSON.parse(text) as { msg: string; port?: number }
        said = line.msg
        if (line.msg === 'listening' && line.port !== undefined) resolve(line.port)
      })
      child.once('close', () => reject(new Error(`${subject.name} ended before it listened: ${said}`)))
      setTimeout(() => reject(new Error(`${subject.name} did not listen`)), startTimeoutMs).unref()
    })
    const port = await until(ctx, listening)
    return { pid: child.pid ?? 0, url: `http://127.0.0.1:${port}${subject.path}`, directory, kill }
  } catch (error) {
    await kill()
    throw error
  }
}
