import { ignoreBrokenPipe } from '../broken-pipe.ts'
import { readFlags } from '../command-line.ts'
import { faultsOfEnvFile, readEnvironment, readEnvFile } from '../dev/environment.ts'
import { fine, printed, wrong, type Finding } from './finding.ts'
import { checkInstalled, checkNode, checkPackageManager, checkPeers } from './packages.ts'
import { checkDisk, checkPorts, checkTelemetry } from './surroundings.ts'

/**
 * `npm run doctor [-- --json]`: checks everything that the service needs to run here, and prints for each check that it passed,
 * or what is wrong and what to do now. Exits with 1 if a check failed. Changes nothing.
 */
const { json } = readFlags(
  'doctor',
  'checks everything that the service needs to run here, and prints what is wrong and how to fix it',
  { json: { type: 'boolean', default: false } },
)
const env = environmentOrOwn()

// Each check loads the packages that it needs, so that a missing one does not stop the other checks.
const checks: Readonly<Record<string, () => Promise<Finding[]> | Finding[]>> = {
  node: checkNode,
  manager: checkPackageManager,
  installed: checkInstalled,
  peers: checkPeers,
  environment: async () =>
    (await import('./variables.ts')).checkVariables(env, readEnvFile(), faultsOfEnvFile()),
  schema: async () => {
    const difference = await (await import('../postgres/schema-difference.ts')).schemaDifference()
    if (difference === undefined) return [fine('schema', 'drizzle/ has a migration for each schema')]
    return [wrong('schema', difference, 'run npm run db:generate')]
  },
  ports: () => checkPorts(env),
  database: async () => (await import('./database.ts')).checkDatabase(env),
  telemetry: async () => [await checkTelemetry(env)],
  disk: () => checkDisk(env),
}

/** Returns the environment without `.env` if that cannot be read, which the check of the environment reports. */
function environmentOrOwn(): NodeJS.ProcessEnv {
  try {
    return readEnvironment()
  } catch {
    return process.env
  }
}

const findings: Finding[] = []
ignoreBrokenPipe()
for (const [name, check] of Object.entries(checks)) {
  let found: Finding[]
  try {
    found = await check()
  } catch (error) {
    found = [wrong(name, error instanceof Error ? error.message : String(error), 'see the lines above')]
  }
  findings.push(...found)
  if (!json) for (const finding of found) console.log(printed(finding))
}
if (json) console.log(JSON.stringify(findings, undefined, 2))
// A socket that is still closing must not keep the process alive.
process.exit(findings.every(({ ok }) => ok) ? 0 : 1)
