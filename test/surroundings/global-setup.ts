import type { TestProject } from 'vitest/node'
import { emitServices, type Emitted } from './support/emitted.ts'
import { missing } from './support/programs.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    emitted: Emitted
  }
}

/** Says once which programs are missing, which is a failure under CI; then emits and builds the services that all tests start. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const lines = missing()
  const ci = process.env['CI']
  if (lines.length > 0 && ci !== undefined && ci !== '' && ci !== 'false') throw new Error(lines.join('\n'))
  for (const line of lines) process.stderr.write(`${line}\n`)
  const { emitted, remove } = await emitServices()
  project.provide('emitted', emitted)
  return remove
}
