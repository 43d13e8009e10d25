import type { Mutant } from './mutants.ts'
import type { Finding } from './results.ts'

/** How many mutants there were, which checks noticed them, and the place and change of each unnoticed one. */
export function reportOf(total: number, done: readonly { mutant: Mutant; result: Finding }[]): string {
  const by = (name: Finding['by']) => done.filter(({ result }) => result.by === name)
  const stages = ['types', 'lint', 'tests', 'equivalent', 'nothing'] as const
  const rowOf = (name: string, belongs: (mutant: Mutant) => boolean): string => {
    const counts = stages.map((stage) => by(stage).filter(({ mutant }) => belongs(mutant)).length)
    return `| ${name} | ${counts.reduce((sum, each) => sum + each, 0)} | ${counts.join(' | ')} |`
  }
  const files = new Set(done.map(({ mutant }) => mutant.file))
  const kinds = ['ctx', 'using', 'signal', 'afterFunc'] as const
  const rows = [
    ...Array.from(files, (name) => rowOf(name, ({ file }) => file === name)),
    ...kinds.map((name) => rowOf(`all of ${name}`, ({ kind }) => kind === name)),
    rowOf('all', () => true),
  ]
  const survivors = by('nothing').map(
    ({ mutant, result }) =>
      `${mutant.file}:${mutant.line}  ${mutant.was.trim()} → ${mutant.now || '(dropped)'}\n    ${result.detail}`,
  )
  return [
    '',
    `${done.length} of ${total} mutants`,
    '',
    `| | all | ${stages.join(' | ')} |`,
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    survivors.length === 0 ? 'No survivor.' : `Survivors:\n${survivors.join('\n')}`,
  ].join('\n')
}
