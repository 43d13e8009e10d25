import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A measured server. All get the same bytes. */
export interface Subject {
  readonly name: string
  /** The module to run with tsx, and what Node loads before it. */
  readonly program: string
  readonly preload?: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** `multipart` is what forms send; `raw` is only the file. */
  readonly body: 'multipart' | 'raw'
  readonly path: string
  /** The peer with which it is compared, which writes to the disk in the same way; undefined for such a peer itself. */
  readonly floor?: string
  /** The goal: at least this share of the speed of its floor. */
  readonly wanted?: number
}

const sample = fileURLToPath(new URL('../../sample-service', import.meta.url))
const without = join(import.meta.dirname, 'servers/without.ts')

function service(name: string, left: string, floor: string, wanted?: number): Subject {
  return {
    name,
    program: 'src/main.ts',
    preload: without,
    cwd: sample,
    env: { BENCH_WITHOUT: left },
    body: 'multipart',
    path: '/documents',
    floor,
    ...(wanted !== undefined && { wanted }),
  }
}

function peer(name: string, file: string, body: Subject['body'], floor?: string): Subject {
  const program = join(import.meta.dirname, 'servers', file)
  return { name, program, body, path: '/', ...(floor !== undefined && { floor }) }
}

const raw = 'raw: pipeline(request, createWriteStream)'
const synced = 'raw, synced'

/** The time of a sync varies with the disk, so a subject that syncs is compared with one that syncs. */
export const subjects: readonly Subject[] = [
  peer(raw, 'raw.ts', 'raw'),
  peer(synced, 'raw-synced.ts', 'raw'),
  service('the service, without its hash and its sync', 'hash,sync', raw, 0.8),
  service('the service, without its hash', 'hash', synced, 0.8),
  service('the service, as it is', '', synced),
  peer('@fastify/busboy to createWriteStream', 'busboy.ts', 'multipart', raw),
  peer('Hono, parseBody() to writeFile', 'hono.ts', 'multipart', raw),
]
