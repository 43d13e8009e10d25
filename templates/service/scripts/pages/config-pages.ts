import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { root } from '../dev/service-process.ts'
import { settings, type Setting } from './settings.ts'

/**
 * Renders the files that list the variables of src/config.ts, by path.
 * @param rows the variables to list
 * @param read returns the current text of a file; the path is relative to the service's root
 */
export async function renderPages(
  rows: readonly Setting[] = settings({}),
  read = (path: string): Promise<string> => readFile(join(root, path), 'utf8'),
): Promise<Record<'README.md' | '.env.example', string>> {
  return {
    'README.md': await readme(rows, await read('README.md')),
    '.env.example': example(rows, await read('.env.example')),
  }
}

const [from, to] = ['<!-- npm run config -- --write -->', '<!-- end -->']

async function readme(declared: readonly Setting[], text: string): Promise<string> {
  const [start, end] = [text.indexOf(from), text.indexOf(to)]
  // A README that the team has rewritten may have no table.
  if (start < 0 && end < 0) return text
  if (start < 0 || end < start) throw new Error(`README.md lacks the lines '${from}' and '${to}'`)
  const rows = declared.map((setting) => {
    const value = setting.default === undefined ? '' : `\`${setting.default}\``
    return `| \`${setting.name}\` | ${value} | ${setting.allowed} | ${setting.description} |`
  })
  const table = ['| variable | default | allowed | |', '| --- | --- | --- | --- |', ...rows].join('\n')
  const written = `${text.slice(0, start)}${from}\n\n${table}\n\n${text.slice(end)}`
  const path = join(root, 'README.md')
  return format(written, { ...(await resolveConfig(path, { editorconfig: true })), filepath: path })
}

/** Keeps OpenTelemetry's own variables at the end of the file. */
function example(declared: readonly Setting[], text: string): string {
  const others = text.slice(text.indexOf("# OpenTelemetry's own variables."))
  const blocks = declared.map(entry)
  return [
    '# Copy to .env for `npm run dev`. Variables of the environment override the file. The values below are the defaults.',
    '# Names ending in _MS are in milliseconds, those in _BYTES in bytes. `npm run config -- --write` writes this file.',
    '',
    ...blocks,
    '',
    others,
  ].join('\n')
}

/** An entry has the default, so that uncommenting it changes nothing. */
function entry({ name, allowed, description, ...setting }: Setting): string {
  const choice = setting.default !== undefined || allowed === 'text' ? '' : ` (${allowed})`
  return `# ${description}${choice}\n# ${name}=${setting.default ?? ''}`
}
