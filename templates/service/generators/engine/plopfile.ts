import { join } from 'node:path'
import type { NodePlopAPI } from 'plop'
import { pieces } from './pieces.ts'
import { Plan } from './plan.ts'
import { promptsFor } from './prompts.ts'

const root = join(import.meta.dirname, '../..')

/**
 * The generators of `npx plop`, one for each piece. docs/generators.md says how to change and add a piece.
 *
 * The first action plans in memory, the second writes the whole plan. If the first fails, plop skips the second, so no file has
 * changed. Both import their modules when they run: ts-morph and prettier take a second, and the list of the pieces needs
 * neither.
 */
export default function plopfile(plop: NodePlopAPI): void {
  for (const piece of pieces) {
    plop.setGenerator(piece.name, {
      description: piece.summary,
      prompts: promptsFor(piece),
      actions: (answers = {}) => {
        const plan = new Plan(root)
        return [
          async function planAll() {
            const { lockService } = await import('./lock.ts')
            const { finishWriting } = await import('./write.ts')
            using _lock = lockService(root)
            finishWriting(root)
            const { planPiece } = await import('./plan-piece.ts')
            return `planned ${await planPiece(plan, piece, answers)}`
          },
          async function writeAll() {
            const changes = plan.changes()
            if (changes.length === 0) return 'nothing to do: everything is there already'
            const { describeChanges, nextSteps } = await import('./difference.ts')
            const { packageManager } = await import('../../scripts/dev/packages.ts')
            const { lockService } = await import('./lock.ts')
            const { writeChanges } = await import('./write.ts')
            using _lock = lockService(root)
            writeChanges(root, changes)
            return `written\n${describeChanges(changes)}${nextSteps(changes, packageManager())}`
          },
        ]
      },
    })
  }
}
