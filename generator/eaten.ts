import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Options } from './options.ts'
import { packageManagers } from './package-manager.ts'

/**
 * The flags that npm took for itself because the user wrote no `--` before them. With npm 11 an unknown `--no-install` arrives as
 * npm_config_install='', npm's own `--no-git` as npm_config_git='false', and `--pm x` as an abbreviation of `--parseable
 * --message x`. A flag is listed only if that is certain: the same variables may come from the user's npmrc or from an outer npm
 * that runs another command, or the flag may have arrived as well.
 */
export function eatenFlags(env: NodeJS.ProcessEnv, options: Options): string[] {
  if (!startedByNpm(env)) return []
  const said = (name: string): string | undefined => env[`npm_config_${name}`]
  const eaten: string[] = []
  if (options.install !== false && isOff(said('install'))) eaten.push('--no-install')
  if (options.git !== false && said('git') === 'false') eaten.push('--no-git')
  if (options.example !== false && isOff(said('example'))) eaten.push('--no-example')
  const pm = packageManagers.find((manager) => manager === said('message'))
  if (options.pm === undefined && pm !== undefined && said('parseable') === 'true') eaten.push(`--pm ${pm}`)
  if (!options.verify && said('verify') === 'true') eaten.push('--verify')
  if (!options.dryRun && said('dry_run') === 'true' && !inNpmrc(env, 'dry-run')) eaten.push('--dry-run')
  if (!options.json && said('json') === 'true' && !inNpmrc(env, 'json')) eaten.push('--json')
  if (!options.force && said('force') === 'true' && !inNpmrc(env, 'force')) eaten.push('--force')
  // `npm create --yes …` is a valid flag of npm itself: the repeated command keeps it, but alone it is no mistake.
  if (eaten.length > 0 && !options.yes && said('yes') === 'true') eaten.unshift('--yes')
  return eaten
}

function startedByNpm(env: NodeJS.ProcessEnv): boolean {
  if (!(env['npm_config_user_agent'] ?? '').startsWith('npm/')) return false
  const event = env['npm_lifecycle_event']
  switch (env['npm_command']) {
    case 'init':
    case 'exec':
      return event === 'npx'
    case 'run':
    case 'run-script':
      return event === 'create' && env['npm_package_name'] === 'create-mainstem'
    default:
      return false
  }
}

function isOff(value: string | undefined): boolean {
  return value === '' || value === 'false'
}

function inNpmrc(env: NodeJS.ProcessEnv, key: string): boolean {
  const prefix = env['npm_config_local_prefix']
  const files = [
    env['npm_config_userconfig'],
    env['npm_config_globalconfig'],
    prefix && join(prefix, '.npmrc'),
  ]
  return files.some(
    (file) => file !== undefined && file !== '' && new RegExp(`^\\s*${key}\\b`, 'm').test(read(file)),
  )
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
