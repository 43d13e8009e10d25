import type { DatabaseError } from 'pg'
import { perText } from './texts.ts'

/** Statements that change the session: by how they begin, or by a word anywhere in them. */
const sessionWide = [
  // The code of a DO block may do any of these.
  beginning(
    String.raw`set(?!\s+(local|transaction|constraints)\b)|reset|listen|load|prepare(?!\s+transaction\b)|do`,
    String.raw`declare\s[^;]*\bwith\s+hold`,
  ),
  /\b(create|into)\s+(or\s+replace\s+)?((global|local)\s+)?temp(orary)?\b|\bpg_temp\b/i,
  /\bpg_(try_)?advisory_lock(_shared)?\b|\b(set_config|setseed|dblink_connect\w*)\b/i,
  /\bupdate\s+(only\s+)?(pg_catalog\.)?pg_settings\b/i,
]

/** A set_config for its transaction only: the last argument is a literal true. */
const localSetting = /\bset_config\s*\(([^'()]|'[^']*')*,\s*true\s*\)/gi

/** Matches a statement that begins with one of `words`, after comments and other statements. */
function beginning(...words: string[]): RegExp {
  return new RegExp(String.raw`(^|;)(\s|--[^\n]*\n|/\*.*?\*/)*(${words.join('|')})\b`, 'is')
}

/** Whether `text` changes the session, which the next caller of its connection would meet. */
export const outlastsCall = perText((text) => {
  const rest = text.replace(localSetting, '')
  return sessionWide.some((pattern) => pattern.test(rest))
})

/**
 * Whether a prepared statement of the session could not be used, and Postgres has not executed it: it is gone or another one has
 * its name (26000, 42P05), or a migration has changed the columns of its plan (0A000).
 */
export function isStale({ code, routine }: DatabaseError): boolean {
  return code === '26000' || code === '42P05' || routine === 'RevalidateCachedQuery'
}
