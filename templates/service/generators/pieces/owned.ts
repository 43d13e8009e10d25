import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stampNames, type Noun } from '../engine/names.ts'
import type { Flag, Shape } from '../engine/piece.ts'

/** A text of a stamped file, with the noun widget, and its replacement. */
export type Change = readonly [from: string | RegExp, to: string]

/** The changes of a piece, by the kind of file: `schema` for `widgets.schema.ts`. */
export type Changes = Readonly<Record<string, readonly Change[]>>

/** The owner of a new row, and of those that a caller sees. */
export const owner = 'principalOf(ctx).id'

/** Adds the column to the schema. No answer contains it. */
export const column: Change = [
  "  id: uuid('id').primaryKey(),\n",
  "  id: uuid('id').primaryKey(),\n  /** The principal that owns the row. */\n  owner: text('owner').notNull(),\n",
]

/** The prepared query that finds a row by its id. */
export const found: readonly Change[] = [
  ['value: Values<{ id: string }>', 'value: Values<{ id: string; owner: string }>'],
  [
    ".where(eq(widgets.id, value('id')))",
    ".where(and(eq(widgets.id, value('id')), eq(widgets.owner, value('owner'))))",
  ],
  ['byId(q, { id })', `byId(q, { id, owner: ${owner} })`],
]

/** Adds the import of principalOf after `before`. */
export function withPrincipal(before: string): Change {
  return [before, `${before}import { principalOf } from '../platform/auth/principal.ts'\n`]
}

export const ownedFlag: Flag = {
  name: 'owned',
  asks: 'Only the creator of a row finds it (yes or no; yes needs the piece auth)',
  otherwise: () => 'no',
  alone: 'yes',
  check: (answer) => {
    if (!/^(?:yes|no)$/.test(answer)) throw new Error(`--owned must be yes or no, not ${answer}.`)
  },
}

/** Returns the function that makes each row belong to the principal that creates it: for others it is 404. */
export function ownedShape(service: string, noun: Noun, changes: Changes): Shape {
  if (!existsSync(join(service, 'src/platform/auth/principal.ts')))
    throw new Error(
      '--owned needs the piece auth, which identifies the caller: run npm run add -- auth first.',
    )
  return (path, text) => {
    const [, kind = ''] = /\/[\w-]+\.(\w+)\.ts$/.exec(path) ?? []
    return (changes[kind] ?? []).reduce((changed, [from, to]) => {
      const wanted = typeof from === 'string' ? stampNames(from, noun) : from
      const after = changed.replace(wanted, () => stampNames(to, noun))
      if (after === changed)
        throw new Error(`--owned cannot change ${path}, which does not contain ${String(wanted)}`)
      return after
    }, text)
  }
}
