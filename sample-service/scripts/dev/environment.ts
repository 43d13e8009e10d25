import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { root } from './service-process.ts'

/**
 * The variables of `.env`, if there is one.
 * @throws Error that names the file if it cannot be read, or the line of a NUL byte, which no environment can contain
 */
export function readEnvFile(): Record<string, string | undefined> {
  return parseEnv(envFileText())
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

/** Matches up to a quote that opens the value of another variable. */
const beforeValue = /^\s*(?:export\s+)?[\w.-]+\s*=\s*$/

/**
 * Names each line of `.env` that is not NAME=value, and each quote that is not closed. Node's parseEnv accepts both: it
 * takes the next line, or all lines up to the next quote, for a part of the same variable.
 */
export function faultsOfEnvFile(): string[] {
  const lines = envFileText().split(/\r?\n/)
  const faults: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]?.trim() ?? ''
    if (line === '' || line.startsWith('#')) continue
    const [, name, value = ''] = /^(?:export\s+)?([^\s=]+)\s*=\s*(.*)$/.exec(line) ?? []
    if (name === undefined) {
      faults.push(`.env line ${at + 1} is not NAME=value`)
      continue
    }
    const quote = /^["'`]/.exec(value)?.[0]
    if (quote === undefined || value.indexOf(quote, 1) > 0) continue
    // A value in quotes may have several lines.
    const end = lines.findIndex((other, index) => index > at && other.includes(quote))
    if (end < 0 || beforeValue.test(lines[end]?.split(quote)[0] ?? ''))
      faults.push(`.env line ${at + 1}: the ${quote} of ${name} is not closed`)
    else at = end
  }
  return faults
}
