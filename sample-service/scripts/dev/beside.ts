import { reasonOf } from './built-in-postgres.ts'
import { say } from './screen.ts'

/** A program that `npm run dev` runs in addition to PostgreSQL, unless the variable that names another one is set. */
export interface ProgramBeside {
  /** Such as `BROKER_URL`. */
  readonly variable: string
  /** @throws Error of one sentence if it cannot be started */
  readonly start: () => Promise<{ readonly url: string; readonly stop: () => Promise<void> }>
}

/** All of these programs. Pieces that need another one add it. */
export function programsBeside(): ProgramBeside[] {
  return []
}

/**
 * Starts each program when it is first needed. If one cannot be started, this prints the reason once, and the service runs
 * without that program.
 */
export function startedBeside(programs: readonly ProgramBeside[]) {
  const running = new Map<string, { readonly url: string; readonly stop: () => Promise<void> }>()
  const failed = new Set<string>()

  /** @returns `env` with the variables of the programs */
  async function variables(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
    const made: NodeJS.ProcessEnv = {}
    for (const { variable, start } of programs) {
      if (env[variable] || failed.has(variable)) continue
      try {
        const program = running.get(variable) ?? (await start())
        running.set(variable, program)
        made[variable] = program.url
      } catch (error) {
        failed.add(variable)
        say(`warning: ${reasonOf(error)}`)
      }
    }
    return { ...env, ...made }
  }

  const stop = async (): Promise<void> => {
    for (const program of running.values()) await program.stop()
  }
  return { variables, stop }
}
