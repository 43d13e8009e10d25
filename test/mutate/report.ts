import type { Mutant } from './mutants.ts'
import type { Result } from './results.ts'

/** How many there were, what noticed them, and each that nothing noticed with its place and its change. */
export function reportOf(total: number, done: readonly { mutant: Mutant; result: Result }[]): string {
  const by = (name: Result['by']) => done.filter(({ result }) => result.by === name)
  const kinds = ['ctx', 'using', 'signal', 'afterFunc'] as const
  const stages = ['types', 'lint', 'tests', 'equivalent', 'nothing'] as const
  const rows = kinds.map((kind) => {
    const counts = stages.map((stage) => by(stage).filter(({ mutant }) => mutant.kind === kind).length)
    return `| ${kind} | ${counts.reduce((sum, each) => sum + each, 0)} | ${counts.join(' | ')} |`
  })
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
