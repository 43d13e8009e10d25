import { inOwnCommands } from '../own-commands.ts'

/** What a check has found. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  /** What it saw: what is right, or what is wrong. */
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

/** `finding` on a line, with a second one for what to do. */
export function printed({ check, ok, seen, fix }: Finding): string {
  const line = `${ok ? '✓' : '✗'} ${check.padEnd(11)} ${seen}`
  return fix === undefined ? line : `${line}\n${' '.repeat(14)}→ ${fix}`
}
