import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is measured: a server of its own, to which the same bytes are sent. */
export interface Subject {
  readonly name: string
  /** The module to run with tsx, and what Node loads before it. */
  readonly program: string
  readonly preload?: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** `multipart` is what forms send; `raw` is the file and nothing else. */
  readonly body: 'multipart' | 'raw'
  readonly path: string
  /** At least this part of the speed of the first subject. */
  readonly wanted?: number
}

const sample = fileURLToPath(new URL('../../sample-service', import.meta.url))
const without = join(import.meta.dirname, 'servers/without.ts')

function service(name: string, left: string, wanted?: number): Subject {
  return {
    name,
    program: 'src/main.ts',
    preload: without,
    cwd: sample,
    env: { BENCH_WITHOUT: left },
    body: 'multipart',
    path: '/documents',
    ...(wanted !== undefined && { wanted }),
  }
}

function peer(name: string, file: string, body: Subject['body']): Subject {
  return { name, program: join(import.meta.dirname, 'servers', file), body, path: '/' }
}

/** The first is what the others are compared with. */
export const subjects: readonly Subject[] = [
  peer('raw: pipeline(request, createWriteStream)', 'raw.ts', 'raw'),
  service('the service, without its hash and its sync', 'hash,sync', 0.8),
  service('the service, without its hash', 'hash'),
  service('the service, as it is', ''),
  peer('raw, synced', 'raw-synced.ts', 'raw'),
  peer('@fastify/busboy to createWriteStream', 'busboy.ts', 'multipart'),
  peer('Hono, parseBody() to writeFile', 'hono.ts', 'multipart'),
]
