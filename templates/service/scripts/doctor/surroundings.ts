import { constants, existsSync } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { todo } from '../../src/context/context.ts'
import { unreachable } from '../../src/platform/telemetry/endpoints.ts'
import { sendsTraces, telemetryPlan } from '../../src/platform/telemetry/environment.ts'
import { readDevFile } from '../dev/dev-file.ts'
import { listenFault, portOwner } from '../dev/ports.ts'
import { root } from '../dev/service-process.ts'
import { fine, wrong, type Finding } from './finding.ts'

/** Postgres needs about 100 MB for its first start. */
const leastFreeBytes = 500 * 2 ** 20

/** Whether the service could listen. */
export async function checkPorts(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const found = await Promise.all([
    checkPort('PORT', env['HOST'], Number(env['PORT'] || 3000)),
    checkPort('ADMIN_PORT', env['ADMIN_HOST'], Number(env['ADMIN_PORT'] || 3001)),
  ])
  return found.flatMap((finding) => finding ?? [])
}

async function checkPort(variable: string, given: string | undefined, port: number) {
  // The check of the environment reports a bad number, and 0 picks a free port.
  if (!Number.isInteger(port) || port <= 0 || port >= 65_536) return undefined
  const host = given || '127.0.0.1'
  const check = `port ${port}`
  const code = await listenFault(host, port)
  if (code === undefined) return fine(check, 'free')
  if (code !== 'EADDRINUSE')
    return wrong(check, `cannot listen on ${host}: ${code}`, `set ${variable} in .env`)
  const dev = readDevFile()
  if (dev !== undefined && [dev.port, dev.adminPort].includes(port)) {
    return fine(check, `used by npm run dev of this folder (pid ${dev.pid})`)
  }
  return wrong(check, `taken by ${await portOwner(port)}`, `stop that program, or set ${variable} in .env`)
}

/** Whether something listens where OpenTelemetry is to export to. */
export async function checkTelemetry(env: NodeJS.ProcessEnv): Promise<Finding> {
  const plan = telemetryPlan(env)
  const exports = sendsTraces(env) || plan.metrics.includes('otlp')
  if (plan.disabled || !exports) return fine('telemetry', 'nothing is exported by OTLP')
  const found = await unreachable(todo(), plan, env)
  if (found === undefined) return fine('telemetry', 'what it exports to can be reached')
  return wrong(
    'telemetry',
    found.sentence,
    `start the collector, or set ${found.variables.join(' and ')} to where it listens`,
  )
}

/** Free space for the database and the uploads, and whether UPLOAD_DIR can be written. */
export async function checkDisk(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const uploads = resolve(root, env['UPLOAD_DIR'] || '.data/uploads')
  const findings: Finding[] = []
  for (const folder of new Set([present(join(root, '.data')), present(uploads)])) {
    const { bavail, bsize } = await statfs(folder)
    const mb = Math.floor((bavail * bsize) / 2 ** 20)
    if (bavail * bsize < leastFreeBytes)
      findings.push(wrong('disk', `${mb} MB free for ${folder}`, 'make room'))
    else if (findings.length === 0) findings.push(fine('disk', `${mb} MB free`))
  }
  if (env['STORAGE_URL']) return findings
  return [...findings, await checkFolder(uploads)]
}

async function checkFolder(uploads: string): Promise<Finding> {
  const folder = present(uploads)
  const fix = 'correct UPLOAD_DIR, or the rights of that folder'
  if (!(await stat(folder)).isDirectory()) return wrong('uploads', `${folder} is not a folder`, fix)
  return access(folder, constants.W_OK).then(
    () => fine('uploads', `${uploads} can be written`),
    () => wrong('uploads', `${folder} cannot be written`, fix),
  )
}

/** The nearest folder that exists already, in which the missing ones will be created. */
function present(folder: string): string {
  return existsSync(folder) ? folder : present(dirname(folder))
}
