import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { envFileFaults } from './env-file-faults.ts'
import { root } from './service-process.ts'

/**
 * The variables of `.env`, if there is one.
 * @throws Error that names the file if it cannot be read, or the line of a NUL byte, which no environment can contain
 */
export function readEnvFile(): Record<string, string | undefined> {
  return parseEnv(envFileText())
}

/** Names the faults of `.env`, each with its line. */
export function faultsOfEnvFile(): string[] {
  return envFileFaults(envFileText())
}

function envFileText(): string {
  const path = join(root, '.env')
  if (!existsSync(path)) return ''
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(`.env cannot be read: ${(cause as Error).message}`, { cause })
  }
  const at = text.indexOf('\0')
  if (at < 0) return text
  throw new Error(`.env has a NUL byte in line ${text.slice(0, at).split('\n').length}: remove it`)
}

/** The source of a variable of readEnvironment(); undefined if it is missing or empty. */
export function originOf(name: string): '.env' | 'the environment' | undefined {
  if (!readEnvironment()[name]) return undefined
  return process.env[name] === undefined ? '.env' : 'the environment'
}

/** `.env` and the environment, as the scripts use them: a variable of the environment overrides the file, even if it is empty. */
export function readEnvironment(): NodeJS.ProcessEnv {
  return { ...readEnvFile(), ...process.env }
}
