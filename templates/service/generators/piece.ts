import type { Noun } from './names.ts'

/** Something that `npm run add` can add to the service, described as data. The folder beside it holds what it stamps. */
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
  /** The calls that existing files must make to what was stamped. */
  wirings: readonly Wiring[]
  /** What is put into objects and interfaces of existing files. The names are those to be written. */
  members?: (noun: Noun, flags: Flags) => readonly Member[]
  /** Whether the stamped schema needs a migration, which the service's own drizzle-kit then makes. */
  migration: boolean
  /** What can be said of it beside its name. */
  flags?: readonly Flag[]
  /**
   * What makes of each stamped file what the flags ask for, by its syntax tree. `service` is the root of the service.
   * Throws an Error of one sentence for what cannot be.
   */
  shape?: (service: string, noun: Noun, flags: Flags) => Promise<Shape>
  /** What package.json must depend on, with the range where it does not yet. */
  dependencies?: Readonly<Record<string, string>>
}

/** Something that can be said of a piece on the command line, and is asked for with the name if it was not. */
export interface Flag {
  /** What is typed behind `--`. */
  name: string
  /** The question, and what the list of pieces says. */
  asks: string
  /** What is taken if nothing was said; without it something must be. */
  otherwise?: (noun: Noun) => string
  /** Throws an Error of one sentence for what it cannot be. */
  check: (value: string) => void
}

/** What was said for each flag of a piece, or is taken instead. */
export type Flags = Readonly<Record<string, string>>

/** The text that a file is to have, by its path and its text with the noun in it. */
export type Shape = (path: string, text: string) => string

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

/** One property that is put at the end of an object or an interface of an existing file, with its import. */
export interface Member {
  /** From the service's root: `src/config.ts`. */
  file: string
  /** An interface; a function that returns an object; a variable that is one, or is made of one: `z.object({ … })`. */
  within: string
  name: string
  /** Its value, or its type in an interface. */
  code: string
  /** What `code` needs of another module. */
  import?: Import
  /** What else `code` says: names that must be known there. */
  knows?: readonly string[]
}

/** One name that a file is to import. */
export interface Import {
  name: string
  /** As the file imports it: `./payments-client.ts`. */
  from: string
  /** Whether it is imported for its type alone. */
  type?: boolean
}
