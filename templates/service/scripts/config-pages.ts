import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { settings, type Setting } from '../src/config.ts'
import { root } from './service-process.ts'

/** What is written from src/config.ts, by its path. */
export async function renderPages(): Promise<Record<'README.md' | '.env.example', string>> {
  return { 'README.md': await readme(), '.env.example': await example() }
}

const [from, to] = ['<!-- npm run config -- --write -->', '<!-- end -->']

async function readme(): Promise<string> {
  const text = await readFile(join(root, 'README.md'), 'utf8')
  const [start, end] = [text.indexOf(from), text.indexOf(to)]
  if (start < 0 || end < start) throw new Error(`README.md lacks the lines '${from}' and '${to}'`)
  const rows = settings({}).map((setting) => {
    const value = setting.default === undefined ? '' : `\`${setting.default}\``
    return `| \`${setting.name}\` | ${value} | ${setting.allowed} | ${setting.description} |`
  })
  const table = ['| variable | default | allowed | |', '| --- | --- | --- | --- |', ...rows].join('\n')
  const written = `${text.slice(0, start)}${from}\n\n${table}\n\n${text.slice(end)}`
  const path = join(root, 'README.md')
  return format(written, { ...(await resolveConfig(path, { editorconfig: true })), filepath: path })
}

/** Keeps what it has of OpenTelemetry's own variables, which stand at its end. */
async function example(): Promise<string> {
  const text = await readFile(join(root, '.env.example'), 'utf8')
  const others = text.slice(text.indexOf("# OpenTelemetry's own variables."))
  const blocks = settings({}).map(entry)
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
