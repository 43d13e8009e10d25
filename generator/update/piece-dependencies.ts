import type { Replay } from '../../templates/service/generators/engine/replay.ts'
import type { Work } from './cells.ts'
import { asOnDisk, look } from './disk.ts'
import { mergeJson } from './merge-json.ts'
import { writtenBy } from './outcome.ts'

/**
 * Raises the dependencies of stamped pieces in package.json to the ranges that the pieces need now, and adds those of new files
 * of pieces. What the team removed stays removed.
 */
export function withDependencies(work: Work, stampings: Replay['stampings']): void {
  const path = 'package.json'
  const outcome = work.outcomes.get(path)
  const there = look(work.root, path)
  if (there.kind !== 'file') return
  const file = (outcome === undefined ? undefined : writtenBy(outcome)) ?? there.file
  const before = file.bytes.toString('utf8')
  let text = before
  const notes: string[] = []
  for (const { files, dependencies } of stampings) {
    const isNew = Object.keys(files).some((file) => work.outcomes.get(file)?.verdict.kind === 'added')
    const known = dependenciesOf(text)
    const wanted = Object.entries(dependencies).filter(([name]) => isNew || Object.hasOwn(known, name))
    if (wanted.length === 0) continue
    // The base has another range, so that both sides count as changed and the higher one wins.
    const base = Object.fromEntries(
      wanted.filter(([name]) => Object.hasOwn(known, name)).map(([name]) => [name, '']),
    )
    const merged = mergeJson(text, json(base), json(Object.fromEntries(wanted)))
    text = merged.text
    notes.push(...merged.notes.filter((note) => !note.includes(': yours stays')))
  }
  if (text === before) return
  const bytes = asOnDisk(Buffer.from(text), there)
  if (outcome?.verdict.kind === 'conflict')
    work.outcomes.set(path, { ...outcome, verdict: { ...outcome.verdict, file: { ...file, bytes } } })
  else
    work.outcomes.set(path, {
      path,
      moved: undefined,
      verdict: { kind: 'merged', file: { ...file, bytes }, notes },
    })
}

function json(dependencies: Readonly<Record<string, string>>): string {
  return JSON.stringify({ dependencies })
}

function dependenciesOf(text: string): Readonly<Record<string, string>> {
  return (JSON.parse(text) as { dependencies?: Record<string, string> }).dependencies ?? {}
}
