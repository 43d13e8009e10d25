import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withLf, type FileIds } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { throwIfEnded } from '../ended.ts'
import { Failure } from '../failure.ts'
import { look } from './disk.ts'

/** How the team formats its files. */
export interface Style {
  /** Whether the style differs from the template's. Then the template's texts are formatted before the merge. */
  readonly changed: boolean
  /** The text in the team's style; unchanged if prettier ignores or does not know the file. */
  format(ctx: Context, path: string, text: string): Promise<string>
  /** Whether the text has the team's style; true if prettier ignores or does not know the file. */
  isFormatted(ctx: Context, path: string, text: string): Promise<boolean>
}

/** The files of a new service that configure prettier. */
const emitted = ['.prettierrc.json', '.editorconfig']

/** The other files in which prettier looks for its configuration. */
const others = [
  ...['', '.yaml', '.yml', '.json5', '.js', '.mjs', '.cjs', '.ts', '.toml'].map((end) => `.prettierrc${end}`),
  ...['js', 'mjs', 'cjs', 'ts'].map((end) => `prettier.config.${end}`),
]

/** The style of the service at `root`, as its own prettier knows it. `files` are the recorded ids. */
export function styleOf(root: string, files: FileIds): Style {
  let prettier: Promise<typeof import('prettier')> | undefined
  const style: Style = {
    changed:
      emitted.some((path) => {
        const there = look(root, path)
        return there.kind !== 'file' || there.id !== files[path]
      }) ||
      others.some((path) => existsSync(join(root, path))) ||
      hasPrettierKey(root),
    async format(ctx, path, text) {
      throwIfEnded(ctx)
      const { format, getFileInfo, resolveConfig } = await (prettier ??= ownPrettier(root))
      const filepath = join(root, path)
      const { ignored, inferredParser } = await getFileInfo(filepath, {
        ignorePath: join(root, '.prettierignore'),
        resolveConfig: false,
      })
      if (ignored || inferredParser === null) return text
      try {
        const options = { ...(await resolveConfig(filepath, { editorconfig: true })), filepath }
        return withLf(await format(text, options))
      } catch {
        // The text has conflict markers, or a syntax that this prettier does not know.
        return text
      }
    },
    async isFormatted(ctx, path, text) {
      return (await style.format(ctx, path, text)) === text
    },
  }
  return style
}

function hasPrettierKey(root: string): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    return typeof manifest === 'object' && manifest !== null && 'prettier' in manifest
  } catch {
    return false
  }
}

async function ownPrettier(root: string): Promise<typeof import('prettier')> {
  try {
    const path = createRequire(join(root, 'package.json')).resolve('prettier')
    const loaded = (await import(pathToFileURL(path).href)) as { default: typeof import('prettier') }
    return loaded.default
  } catch (cause) {
    throw new Failure("the service's own prettier is not installed: install the dependencies first", {
      cause,
    })
  }
}
