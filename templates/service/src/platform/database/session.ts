import type { DatabaseError } from 'pg'

/** What Postgres keeps for a whole session, where a statement says so at its beginning, or by the function that it calls. */
const sessionWide = [
  beginning(
    String.raw`set(?!\s+(local|transaction|constraints)\b)|reset|listen|load|prepare(?!\s+transaction\b)`,
    String.raw`create\s+(or\s+replace\s+)?((global|local)\s+)?temp(orary)?|declare\s[^;]*\bwith\s+hold`,
  ),
  /\binto\s+temp(orary)?\b/i,
  /\bpg_(try_)?advisory_lock(_shared)?\s*\(/i,
  /\bset_config\s*\((?!.*\btrue\b)/is,
]

/** Matches a statement that begins so, behind comments and other statements. */
function beginning(...words: string[]): RegExp {
  return new RegExp(String.raw`(^|;)(\s|--[^\n]*\n|/\*.*?\*/)*(${words.join('|')})\b`, 'is')
}

/** Whether what `text` does would be met by the next who works on this connection. */
export function outlastsCall(text: string): boolean {
  return sessionWide.some((pattern) => pattern.test(text))
}

/**
 * Whether `failure` would meet the next on this connection, too, and none on a new one: the server turned read-only (25006), or
 * a prepared statement is not what it was (26000, 42P05; 0A000 where its plan returns other columns since a migration).
 */
export function outlastsFailure({ code, routine }: DatabaseError): boolean {
  return /^(25006|26000|42P05)$/.test(code ?? '') || routine === 'RevalidateCachedQuery'
}
