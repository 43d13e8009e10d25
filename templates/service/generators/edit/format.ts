import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { check, format, getFileInfo, resolveConfig } from 'prettier'

/** The style of the pieces: the original .prettierrc.json and .editorconfig of the service. */
export const styleOfPieces = {
  useTabs: false,
  tabWidth: 2,
  endOfLine: 'lf',
  semi: false,
  singleQuote: true,
  printWidth: 110,
  trailingComma: 'all',
}

/**
 * Formats the text of a new file in the service's own prettier style, if prettier knows its kind. `path` is relative to `root`.
 * With `asIs`, `text` is unchanged from the piece, and needs no formatting if the service's style is still that of the pieces.
 */
export async function formatNew(root: string, path: string, text: string, asIs = false): Promise<string> {
  const { filepath, ...style } = await optionsFor(root, path)
  if (asIs && isDeepStrictEqual(style, styleOfPieces)) return text
  const { inferredParser } = await getFileInfo(filepath)
  return inferredParser === null ? text : format(text, { ...style, filepath })
}

/** Formats the edited text of a file if prettier had formatted the file before. Otherwise the team's own format stays. */
export async function formatEdited(
  root: string,
  path: string,
  before: string,
  after: string,
): Promise<string> {
  const options = await optionsFor(root, path)
  return (await check(before, options)) ? format(after, options) : after
}

async function optionsFor(root: string, path: string): Promise<{ filepath: string }> {
  const filepath = join(root, path)
  return { ...(await resolveConfig(filepath, { editorconfig: true })), filepath }
}
