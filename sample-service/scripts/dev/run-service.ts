import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressOf as databaseAddress } from '../../src/platform/database/answer.ts'
import { adviceOnMissing, ownPart } from './crash.ts'
import { removeDevFile, writeDevFile } from './dev-file.ts'
import { originOf } from './environment.ts'
import { listenFault, portOwner } from './ports.ts'
import { addressOf, say, sayAddresses, showLog, type LogLine } from './screen.ts'
import { startProgram, type Exit, type ServiceProcess } from './service-process.ts'

const piped = { stdout: 'pipe', stderr: 'pipe' } as const

/**
 * Applies the missing migrations in a process of its own, which loads the current schemas.
 * @returns false if `next` came first; then nothing was applied
 * @throws Error with the reason if they cannot be applied
 */
export async function migrate(env: NodeJS.ProcessEnv, next: Promise<string>): Promise<boolean> {
  const program = startProgram('src/migrate.ts', { ...env, LOG_LEVEL: 'info', LOG_FORMAT: 'json' }, piped)
  let reason: string | undefined
  const errors = show(program, env, ({ msg, level, applied }) => {
    if (msg === 'migrated' && applied && applied.length > 0) say(`migrations applied: ${listed(applied)}`)
    if (level === 'fatal') reason = msg
    return msg === 'migrated' || level === 'fatal'
  })
  const exit = await endOf(program, next)
  if (exit === undefined) return false
  if (exit.code === 0) return true
  throw new Error(explain(errors(), reason ?? `src/migrate.ts ended with ${describe(exit)}`))
}

/** Shortens the list, because a library may add many migrations. */
function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names[0]} … ${names.at(-1)}, ${names.length} in all`
}

/** The service has ended because another program has its port. */
export class PortTaken extends Error {
  readonly host: string
  readonly port: number

  constructor(host: string, port: number, owner: string) {
    super(`port ${port} is taken by ${owner}; waiting until it is free, or for a change of .env`)
    this.host = host
    this.port = port
  }
}

/** Resolves once `port` of `host` is free, after printing that; rejects if `signal` is aborted before. */
export async function untilFree({ host, port }: PortTaken, signal: AbortSignal): Promise<string> {
  do await sleep(portPollMs, undefined, { signal })
  while ((await listenFault(host, port)) !== undefined)
  return `port ${port} is free`
}

const portPollMs = 1_000

/** Runs the service until `next`. @throws Error if the service ends before: PortTaken if another program has its port */
export async function serveUntil(
  next: Promise<string>,
  env: NodeJS.ProcessEnv,
  options: { because: string | undefined; hasKeys: boolean; onListening: () => void },
): Promise<void> {
  const started = performance.now()
  // Dev reads the log as JSON and formats it itself. It passes on an invalid format, so that the service refuses it.
  const format = env['LOG_FORMAT'] === 'pretty' ? 'json' : env['LOG_FORMAT']
  const service = startProgram('src/main.ts', { ...env, LOG_FORMAT: format }, piped)
  let taken: RegExpExecArray | undefined
  let stopping = false
  const stop = next.then(() => (stopping = true))
  const errors = show(service, env, (line) => {
    const { msg = '', level } = line
    if (msg === 'listening') {
      sayListening(line, env, { ...options, ms: Math.round(performance.now() - started) })
      writeDevFile(line)
      options.onListening()
    }
    taken ??= / on (\S+):(\d+): the port is taken/.exec(msg) ?? undefined
    // A start that dev itself ended did not fail.
    if (stopping && level === 'fatal') return msg.includes('SIGTERM received')
    return taken !== undefined || (level === 'info' && saidByDev.has(msg))
  })
  try {
    const exit = await endOf(service, stop)
    if (exit === undefined) return
    const [, host = '', port] = taken ?? []
    if (port !== undefined) throw new PortTaken(host, Number(port), await portOwner(Number(port)))
    throw new Error(explain(errors(), `the service ended with ${describe(exit)}`))
  } finally {
    process.stderr.write(errors())
    removeDevFile()
  }
}

/** The log lines of each restart, which dev replaces by one line. */
const saidByDev = new Set(['listening', 'signal received', 'not ready', 'draining', 'drained', 'stopped'])

let lastAddresses = ''

function sayListening(
  { service: name = '', port = 0, adminPort = 0 }: LogLine,
  env: NodeJS.ProcessEnv,
  { because, hasKeys, ms }: { because: string | undefined; hasKeys: boolean; ms: number },
): void {
  const service = addressOf(env['HOST'] || '127.0.0.1', port)
  // Named, because the shell may export the URL of another project's database.
  const given = originOf('DATABASE_URL')
  const addresses = {
    service,
    docs: `${service}/docs`,
    contexts: `${addressOf(env['ADMIN_HOST'] || '127.0.0.1', adminPort)}/debug/contexts`,
    database: `${databaseAddress(env['DATABASE_URL'] ?? '')}${given === undefined ? '' : ` (DATABASE_URL of ${given})`}`,
  }
  if (because !== undefined && lastAddresses !== '') say(`restarted in ${ms} ms (${because})`)
  if (lastAddresses === JSON.stringify(addresses)) return
  lastAddresses = JSON.stringify(addresses)
  const hints = [
    'contexts?trace=<x-request-id> opens one request',
    ...(hasKeys ? ['r restart   s seed   c clear   h help   q quit'] : []),
  ]
  sayAddresses(`${name} listens, after ${ms} ms`, addresses, hints)
}

/** Waits until `program` has ended, or stops it at `next`. @returns how it ended, unless it was stopped */
async function endOf(program: ServiceProcess, next: Promise<unknown>): Promise<Exit | undefined> {
  const exit = await Promise.race([next.then(() => undefined), program.exited])
  if (exit === undefined) await program.stop()
  return exit
}

/** Shows the output of `program`. @returns a function that takes the part of its stderr that was not shown yet */
function show(
  program: ServiceProcess,
  env: NodeJS.ProcessEnv,
  onLine: (line: LogLine) => boolean,
): () => string {
  const { stdout, stderr } = program
  if (stdout === null || stderr === null) throw new Error('the program must be started with pipes')
  showLog(stdout, env['LOG_FORMAT'], onLine)
  return holdBack(stderr)
}

/** How long stderr is held back: long enough for a process to print an error and end. */
const holdMs = 250

/** Passes on `stderr` with a short delay. @returns a function that takes what was not passed on yet */
function holdBack(stderr: Readable): () => string {
  let held: string[] = []
  stderr.setEncoding('utf8').on('data', (text: string) => {
    held.push(text)
    setTimeout(() => process.stderr.write(held.shift() ?? ''), holdMs)
  })
  return () => {
    const text = held.join('')
    held = []
    return text
  }
}

/** What to fix if a package or a file is missing; else the reason, after the output of the process. */
function explain(stderr: string, reason: string): string {
  const advice = adviceOnMissing(stderr)
  if (advice !== undefined) return advice
  if (stderr !== '') process.stderr.write(ownPart(stderr))
  return `${reason}; waiting for a change`
}

function describe(exit: Exit): string {
  return exit.signal ?? `exit code ${exit.code ?? 'unknown'}`
}
