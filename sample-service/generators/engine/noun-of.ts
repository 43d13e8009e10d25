import type { Noun } from './names.ts'
import { nameFrom, nounFrom, similarName } from './nouns.ts'
import type { Piece } from './piece.ts'

/** What a person gave as the name, and as its plural. */
interface Named {
  readonly name?: string | undefined
  readonly plural?: string | undefined
}

/** The name of `piece`. Throws an Error of one sentence for a name that the piece cannot have. */
export function nounOf({ name: piece, takes, flags = [] }: Piece, { name = '', plural }: Named): Noun {
  if (takes === 'nothing') {
    if (name !== '') throw new Error(`${piece} takes no name: write npm run add -- ${piece}.`)
    return { singular: piece, plural: piece }
  }
  if (typeof takes !== 'string' && !takes.includes(name)) {
    throw new Error(`There is no ${piece} "${name}": choose one of ${takes.join(', ')}.`)
  }
  if (name.includes('/') && flags.some((flag) => flag.name === 'path')) {
    const path = `/${name.trim().replace(/^[./]+/, '')}`
    throw new Error(
      `"${name}" is a path: give the ${piece} a name, such as ${similarName(name)}, and then its path, as --path ${path}.`,
    )
  }
  return takes === 'noun' ? nounFrom(name, plural) : nameFrom(name)
}
