import type { ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import { textOf } from '../tree.ts'
import { look } from './disk.ts'
import type { Outcomes } from './outcome.ts'

/** If the service has been renamed in package.json, a sentence that lists the new files that have its first name. */
export function namedAsBefore(root: string, { answers }: ServiceRecord, outcomes: Outcomes): string[] {
  const manifest = look(root, 'package.json')
  const text = manifest.kind === 'file' ? textOf(manifest.file.bytes) : undefined
  const { name: now } = JSON.parse(text ?? '{}') as { name?: string }
  const { name } = answers
  if (typeof name !== 'string') return []
  if (now === undefined || now.replace(/^@.*\//, '') === name) return []
  const word = new RegExp(`(?<![\\w-])${name}(?![\\w-])`)
  const files = [...outcomes.values()].flatMap(({ path, verdict }) =>
    verdict.kind === 'added' && word.test(textOf(verdict.file.bytes) ?? '') ? [path] : [],
  )
  if (files.length === 0) return []
  return [`the service is called ${now} now, but these new files call it ${name}: ${files.join(', ')}`]
}
