import type { Context } from '../templates/service/src/context/context.ts'
import { lastLines, execute } from './command.ts'
import { childEnvironment, scriptArguments, type PackageManager } from './package-manager.ts'

/** One check of the new service. */
interface Step {
  readonly name: string
  readonly ok: boolean
  /** How long it took. */
  readonly ms: number
  /** The result, in words. */
  readonly detail: string
}

/** The results of `--verify`. */
export interface Receipt {
  readonly ok: boolean
  readonly steps: readonly Step[]
}

/**
 * Type-checks the service in `directory` and runs its `verify` script, which starts it, uploads, hangs up and stops it.
 * A failure is a step that is not ok, not an exception.
 * @throws the cause of ctx when it ends
 */
export async function verify(ctx: Context, manager: PackageManager, directory: string): Promise<Receipt> {
  const options = { cwd: directory, env: childEnvironment(process.env) }
  const started = performance.now()
  const check = await execute(ctx, manager, scriptArguments(manager, 'check'), options)
  const types = {
    name: 'types',
    ok: check.code === 0,
    ms: Math.round(performance.now() - started),
    detail: check.code === 0 ? 'tsc found no error' : lastLines(check.output, 20),
  }
  const startedRun = performance.now()
  const run = await execute(ctx, manager, scriptArguments(manager, 'verify', ['--json']), options)
  const steps = [types, ...(stepsOf(run.stdout) ?? [])]
  if (steps.length === 1 || (run.code !== 0 && steps.slice(1).every((step) => step.ok))) {
    const ms = Math.round(performance.now() - startedRun)
    steps.push({
      name: 'verify',
      ok: false,
      ms,
      detail: lastLines(run.output, 20) || `exit code ${run.code}`,
    })
  }
  return { ok: steps.every((step) => step.ok), steps }
}

/** Parses the steps from the JSON object that the script prints, and skips output of the package manager before it. */
function stepsOf(stdout: string): Step[] | undefined {
  const start = stdout.search(/^\{/m)
  if (start < 0) return undefined
  let printed: unknown
  try {
    printed = JSON.parse(stdout.slice(start, stdout.lastIndexOf('}') + 1))
  } catch {
    return undefined
  }
  if (typeof printed !== 'object' || printed === null || !('steps' in printed)) return undefined
  return Array.isArray(printed.steps) && printed.steps.every(isStep) ? printed.steps : undefined
}

function isStep(step: unknown): step is Step {
  if (typeof step !== 'object' || step === null) return false
  if (!('name' in step) || !('ok' in step) || !('ms' in step) || !('detail' in step)) return false
  return (
    typeof step.name === 'string' &&
    typeof step.ok === 'boolean' &&
    typeof step.ms === 'number' &&
    typeof step.detail === 'string'
  )
}
