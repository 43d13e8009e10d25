import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LogLine } from './screen.ts'
import { root } from './service-process.ts'

/** While the service runs under `npm run dev`, this file has its addresses. */
const devFile = join(root, '.data/dev.json')

/** Writes the addresses of the service of this `npm run dev`. */
export function writeDevFile({ port, adminPort }: LogLine): void {
  try {
    writeFileSync(devFile, JSON.stringify({ pid: process.pid, port, adminPort }))
  } catch {
    // Without this file, doctor and another dev only know less of this one.
  }
}

/** Removes the file if this `npm run dev` has written it. */
export function removeDevFile(): void {
  if (readDevFile()?.pid === process.pid) rmSync(devFile, { force: true })
}

/** What `npm run dev` of this folder has written, if it runs. */
export function readDevFile(): { pid: number; port: number; adminPort: number } | undefined {
  try {
    const dev = JSON.parse(readFileSync(devFile, 'utf8')) as { pid: number; port: number; adminPort: number }
    process.kill(dev.pid, 0)
    return dev
  } catch {
    return undefined
  }
}
