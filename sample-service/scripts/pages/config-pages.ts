import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { settings, type Setting } from '../../src/config.ts'
import { root } from '../dev/service-process.ts'

/**
 * What is written from src/config.ts, by its path.
 * @param rows the variables that it declares
 * @param read what the file at this path, from the service's root, is now
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

/** Keeps what it has of OpenTelemetry's own variables, which stand at its end. */
function example(declared: readonly Setting[], text: string): string {
  const others = text.slice(text.indexOf("# OpenTelemetry's own variables."))
  const blocks = declared.map(entry)
  return [
    '# Copy to .env for `npm run dev`; the environment comes first. Shown are the defaults.',
    '# Names that end in _MS are milliseconds, in _BYTES bytes. Written by `npm run config -- --write`.',
    '',
    ...blocks,
    '',
    others,
  ].join('\n')
}

function entry({ name, allowed, description, ...setting }: Setting): string {
  return `# ${description}\n# ${name}=${setting.default ?? allowed}`
}
