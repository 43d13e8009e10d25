import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './service-process.ts'

/** While the service runs under `npm run dev`, this file says where. */
export const devFile = join(root, '.data/dev.json')

/** What `npm run dev` of this folder has written down, if it runs. */
export function readDevFile(): { pid: number; port: number; adminPort: number } | undefined {
  try {
    const dev = JSON.parse(readFileSync(devFile, 'utf8')) as { pid: number; port: number; adminPort: number }
    process.kill(dev.pid, 0)
    return dev
  } catch {
    return undefined
  }
}
