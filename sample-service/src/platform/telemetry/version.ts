import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** The version in package.json, which names the release in telemetry and in the API's documentation. */
export function serviceVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return z.object({ version: z.string().default('0.0.0') }).parse(JSON.parse(manifest)).version
}
