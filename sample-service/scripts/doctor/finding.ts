import { inOwnCommands } from '../own-commands.ts'

/** The result of a check. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  /** What is right, or what is wrong. */
  readonly seen: string
  /** What to do now, if something is wrong. */
  readonly fix?: string
}

export function fine(check: string, seen: string): Finding {
  return { check, ok: true, seen: inOwnCommands(seen) }
}

export function wrong(check: string, seen: string, fix: string): Finding {
  return { check, ok: false, seen: inOwnCommands(seen), fix: inOwnCommands(fix) }
}

/** `finding` on one line, with a second line for what to do. */
export function printed({ check, ok, seen, fix }: Finding): string {
  const line = `${ok ? '✓' : '✗'} ${check.padEnd(11)} ${seen}`
  return fix === undefined ? line : `${line}\n${' '.repeat(14)}→ ${fix}`
}
