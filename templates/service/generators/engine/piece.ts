import type { Noun } from './names.ts'

/** Something that `npm run add` can add to the service, described as data. The files that it stamps are in its folder. */
export interface Piece {
  /** The word after `npm run add --`. */
  name: string
  /** One line for the list of pieces. */
  summary: string
  /** Text that `npm run add -- <piece> --help` prints in addition to the flags, such as the grammar of one. */
  explained?: string
  /**
   * Examples of what the user may type after `npm run add -- <piece>`: `report --method POST`. By default `invoice`, or nothing.
   */
  examples?: readonly [string, ...string[]]
  /**
   * The kind of the name. `noun`: a word with a different plural; `name`: one word; `nothing`: no name; else one of these words.
   */
  takes: 'noun' | 'name' | 'nothing' | readonly string[]
  /** The absolute path of a folder whose `src/`, `test/`, `scripts/`, `docs/`, `ops/` and `k8s/` mirror those of the service. */
  folder: string
  /**
   * A piece that must be there first, which may need another piece. Only its missing files are stamped; existing ones stay
   * unchanged.
   */
  needs?: Piece
  /** The calls that existing files must make to what was stamped. */
  wirings?: readonly Wiring[]
  /** The properties that objects and interfaces of existing files get. */
  members?: (noun: Noun, flags: Flags) => readonly Member[]
  /** Whether the stamped schema needs a migration. The service's own drizzle-kit makes it. */
  migration?: boolean
  /** The flags of the piece on the command line, and its further questions. */
  flags?: readonly Flag[]
  /** Returns the function that adapts each stamped file to the flags. `service` is the root of the service. */
  shape?: (service: string, noun: Noun, flags: Flags) => Promise<Shape>
  /** The piece of the same name that replaces this one for certain flags. */
  variant?: (flags: Flags) => Piece | undefined
  /** A stamped file that every run writes again. If it exists already, the other files stay unchanged. */
  renews?: string
  /** Dependencies for package.json, with their ranges. */
  dependencies?: Readonly<Record<string, string>>
  /** Scripts for package.json. */
  scripts?: Readonly<Record<string, string>>
  /** What `--remove` cannot undo, such as tables without a migration, and what the user must do about it: one sentence. */
  leaves?: string
}

/** A flag of a piece, which the user gives on the command line or is asked for. */
export interface Flag {
  /** Without the `--`. */
  name: string
  /** The question. */
  asks: string
  /** The default. Without one the flag is required. */
  otherwise?: (noun: Noun) => string
  /** The value of the flag if it is given without one. */
  alone?: string
  /** Throws an Error of one sentence for an invalid value. */
  check: (value: string) => void
}

/** The value of each flag of a piece, given or by default. */
export type Flags = Readonly<Record<string, string>>

/** Returns the final text of a stamped file, from its path and its text with the noun in it. */
export type Shape = (path: string, text: string) => string

/** A call that a function of an existing file must make, with its import. Names contain widget, as in the files of the piece. */
export interface Wiring {
  /** Relative to the root of the service: `src/routes.ts`. */
  file: string
  /** The function of that file that must make the call. */
  within: string
  /**
   * `element`: spread into the returned array; `item`, `first item`: an element of the returned array;
   * `statement`: awaited at the end.
   */
  as: 'element' | 'item' | 'first item' | 'statement'
  /** The function to call. */
  call: string
  /** The module that exports it, as `file` imports it. */
  from: string
  /** The types of its arguments, in order. Each argument is the parameter of `within` with that type. */
  takes: readonly string[]
}

/** A property to add at the end of an object or interface of an existing file, with its import. */
export interface Member {
  /** Relative to the root of the service: `src/config.ts`. */
  file: string
  /**
   * The interface, the function that returns the object, or the variable that contains it or is made from it (`z.object({ … })`).
   */
  within: string
  name: string
  /** Its value, or its type in an interface. */
  code: string
  /** An import that `code` needs. */
  import?: Import
  /** Other names that `code` uses, which the file must declare or import. */
  knows?: readonly string[]
}

/** A name for a file to import. */
export interface Import {
  name: string
  /** As the file imports it: `./payments-client.ts`. */
  from: string
  /** Whether it is a type. */
  type?: boolean
}
