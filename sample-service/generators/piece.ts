/** Something that `npm run add` can add to the service, told as data. The folder beside it holds what it stamps. */
export interface Piece {
  /** What is typed after `npm run add --`. */
  name: string
  /** One line for the list of pieces. */
  summary: string
  /** `noun`: the name has a singular and a plural that differ; `name`: one word in both places; else one of these words. */
  takes: 'noun' | 'name' | readonly string[]
  /** The absolute path of a folder that mirrors the service's root: `…/src/widgets/widgets.routes.ts` becomes `src/…`; its `test/` likewise. */
  folder: string
  /** What must be there first: of its files only those that are missing are stamped, and the team's own stay as they are. */
  needs?: Piece
  /** A flag of its own, which must be given. */
  flag?: Flag
  /** The calls that existing files must make to what was stamped. */
  wirings: readonly Wiring[]
  /** Whether the stamped schema needs a migration, which the service's own drizzle-kit then makes. */
  migration: boolean
  /** What package.json must depend on, with the range where it does not yet. */
  dependencies?: Readonly<Record<string, string>>
}

/** What is typed after `--<name>`, and stands in the piece's files in place of an example. */
export interface Flag {
  name: 'cron'
  /** The question where it was not given. */
  message: string
  /** The example, as the files have it. */
  inFiles: string
  /** What is written for what was typed. Throws an Error of one sentence. */
  parse(typed: string): string
}

/** One call that is put into a function of an existing file, with its import. Its names say widget, as the piece's files do. */
export interface Wiring {
  /** From the service's root: `src/routes.ts`. */
  file: string
  /** The function of that file that is to make the call. */
  within: string
  /** `element`: spread into the array that the function returns; `item`: put into it; `statement`: awaited at the end of its body. */
  as: 'element' | 'item' | 'statement'
  /** The function to call. */
  call: string
  /** The module that exports it, as `file` imports it. */
  from: string
  /** The types of what it takes, in order: each is looked up among the parameters of `within`. */
  takes: readonly string[]
}
