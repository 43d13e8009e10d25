import { settings } from '../pages/settings.ts'
import { badVariables } from '../../src/platform/telemetry/environment.ts'
import { closestOf } from '../../generators/engine/typed.ts'
import { givenUrl } from '../postgres/built-in.ts'
import { fine, wrong, type Finding } from './finding.ts'

/** Variables that something other than src/config.ts reads: the scripts, Node, OpenTelemetry, the AWS SDK, Postgres's driver. */
const readElsewhere =
  /^(NODE|NPM|OTEL|AWS|PG)|_PROXY$|^(TEST_DATABASE_URL|TZ|DEBUG|NO_COLOR|FORCE_COLOR|PATH)$/i

/**
 * Malformed lines of `.env`, bad values, and names in `.env` that nothing reads.
 * @param file the variables of `.env`
 * @param malformed what is wrong with its lines
 */
export function checkVariables(
  env: NodeJS.ProcessEnv,
  file: Readonly<Record<string, string | undefined>>,
  malformed: readonly string[],
): Finding[] {
  // Without it, the scripts use the built-in PostgreSQL.
  const known = settings(givenUrl(env) === undefined ? { ...env, DATABASE_URL: 'postgres://built/in' } : env)
  const findings = [
    ...malformed.map((fault) => wrong('environment', fault, 'correct that line')),
    ...known.flatMap(({ name, problem }) =>
      problem === undefined
        ? []
        : [wrong('environment', problem, `correct ${name} in ${placeOf(name, file)}`)],
    ),
    ...badVariables(env).map((fault) => wrong('environment', fault, 'correct it')),
    ...unreadNames(Object.keys(file)).map(({ seen, fix }) => wrong('environment', seen, fix)),
  ]
  return findings.length > 0
    ? findings
    : [fine('environment', `${known.length} variables, ${Object.keys(file).length} set in .env`)]
}

/** Finds the names in `.env` that nothing reads. It skips names with spaces, which come from lines reported as malformed. */
export function unreadNames(names: readonly string[]): { seen: string; fix: string }[] {
  const known = settings({}).map(({ name }) => name)
  return names
    .filter((name) => !/\s/.test(name) && !known.includes(name) && !readElsewhere.test(name))
    .map((name) => {
      const similar = closestOf(name, known)
      const fix =
        similar === undefined ? 'remove it, or declare it in src/config.ts' : `rename it to ${similar}`
      return { seen: `nothing reads ${name} of .env`, fix }
    })
}

function placeOf(name: string, file: Readonly<Record<string, string | undefined>>): string {
  return process.env[name] === undefined && file[name] !== undefined ? '.env' : 'the environment'
}
