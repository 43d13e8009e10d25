import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from '../../templates/service/src/context/context.ts'
import { throwIfEnded } from '../ended.ts'

/** The folders of a service that contain the team's code. */
const folders = ['src', 'test', 'scripts', 'generators', 'lint']

/** Every TypeScript file of the service at `root`, with `/`. Links are not followed. */
export function teamFiles(ctx: Context, root: string): string[] {
  throwIfEnded(ctx)
  return folders.flatMap((folder) => {
    try {
      return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(root.length + 1)
            .replaceAll('\\', '/'),
        )
        .filter((path) => !path.includes('/node_modules/'))
    } catch {
      return []
    }
  })
}
