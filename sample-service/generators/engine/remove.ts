import type { PackageManager } from '../../scripts/dev/packages.ts'
import type { Command } from './command.ts'
import type { Piece } from './piece.ts'
import { Plan } from './plan.ts'
import { writeChanges } from './write.ts'

/** Runs `npm run add -- --remove <piece> <name>`, which changes everything or nothing, and returns what to print. */
export async function removePiece(
  root: string,
  manager: PackageManager,
  piece: Piece,
  { words, flags }: Command,
): Promise<string> {
  const plan = new Plan(root)
  const dryRun = flags.has('dry-run')
  const { planRemoval } = await import('./removal.ts')
  const { title, kept, leaves } = await planRemoval(plan, piece, words[1], flags.has('drop'))
  const changes = plan.changes()
  const done = changes.length > 0 && !dryRun
  if (done) writeChanges(root, changes)
  if (flags.has('json')) {
    const files = changes.map(({ path, after }) => ({
      path,
      change: after === undefined ? 'remove' : 'edit',
    }))
    const result = { piece: piece.name, written: done, dryRun, files, kept, leaves }
    return `${JSON.stringify(result)}\n`
  }
  const schemas =
    kept.length === 0 ? [] : [`${kept.join(', ')} stays, because its table does: add --drop to remove both.`]
  const stays = [...schemas, ...leaves].map((line) => `${line}\n`).join('')
  if (changes.length === 0) return `${title}: nothing to do.\n${stays}`
  const { describeChanges, nextSteps } = await import('./difference.ts')
  const head = `Remove ${title}${done ? '' : ' (dry run: nothing is written)'}\n`
  const next = done ? `Removed. ${nextSteps(changes, manager)}` : ''
  return `${head}${describeChanges(changes, flags.has('diff'))}${stays}${next}`
}
