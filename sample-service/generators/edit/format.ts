import { join } from 'node:path'
import { check, format, getFileInfo, resolveConfig } from 'prettier'

/** Formats the text of a new file in the service's own prettier style, if prettier knows its kind. `path` is relative to `root`. */
export async function formatNew(root: string, path: string, text: string): Promise<string> {
  const options = await optionsFor(root, path)
  const { inferredParser } = await getFileInfo(options.filepath)
  return inferredParser === null ? text : format(text, options)
}

/**
 * Formats the edited text of a file if the file was formatted before the edit. A file that the team formats in another way is
 * returned as edited, byte for byte.
 */
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
