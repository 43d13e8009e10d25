import type { DatabaseError } from 'pg'

/** What Postgres keeps for a whole session, where a statement says so, at its beginning or wherever it stands. */
const sessionWide = [
  // The code of a DO block may do any of it.
  beginning(
    String.raw`set(?!\s+(local|transaction|constraints)\b)|reset|listen|load|prepare(?!\s+transaction\b)|do`,
    String.raw`declare\s[^;]*\bwith\s+hold`,
  ),
  /\b(create|into)\s+(or\s+replace\s+)?((global|local)\s+)?temp(orary)?\b|\bpg_temp\b/i,
  /\bpg_(try_)?advisory_lock(_shared)?\b|\b(set_config|setseed|dblink_connect\w*)\b/i,
  /\bupdate\s+(only\s+)?(pg_catalog\.)?pg_settings\b/i,
]

/** A call that sets something for its transaction: its last argument is the word itself. Any other costs a connection. */
const localSetting = /\bset_config\s*\(([^'()]|'[^']*')*,\s*true\s*\)/gi

/** Matches a statement that begins so, behind comments and other statements. */
function beginning(...words: string[]): RegExp {
  return new RegExp(String.raw`(^|;)(\s|--[^\n]*\n|/\*.*?\*/)*(${words.join('|')})\b`, 'is')
}

/** Whether what `text` does would be met by the next who works on this connection. */
export function outlastsCall(text: string): boolean {
  const rest = text.replace(localSetting, '')
  return sessionWide.some((pattern) => pattern.test(rest))
}

/**
 * Whether `failure` would meet the next on this connection, too, and none on a new one: the server turned read-only (25006), or
 * a prepared statement is not what it was (26000, 42P05; 0A000 where its plan returns other columns since a migration).
 */
export function outlastsFailure({ code, routine }: DatabaseError): boolean {
  return /^(25006|26000|42P05)$/.test(code ?? '') || routine === 'RevalidateCachedQuery'
}
