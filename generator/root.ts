import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the command needs to know of its own package.json. */
interface OwnPackage {
  /** The folder that holds `templates/`. */
  readonly directory: string
  readonly version: string
}

/**
 * The package this module is part of: the clone when it runs as generator/*.ts, the installed package when it
 * runs as dist/main.js.
 * @throws Error if no folder above is create-mainstem
 */
export function ownPackage(): OwnPackage {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let directory = start; ; directory = dirname(directory)) {
    const file = join(directory, 'package.json')
    if (existsSync(file)) {
      const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'))
      const version = versionOf(manifest)
      if (version !== undefined) return { directory, version }
    }
    if (directory === dirname(directory)) throw new Error(`no package create-mainstem above ${start}`)
  }
}

function versionOf(manifest: unknown): string | undefined {
  if (typeof manifest !== 'object' || manifest === null) return undefined
  if (!('name' in manifest) || manifest.name !== 'create-mainstem' || !('version' in manifest))
    return undefined
  return typeof manifest.version === 'string' ? manifest.version : undefined
}
