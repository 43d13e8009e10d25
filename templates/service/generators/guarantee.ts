import type { Plan } from './plan.ts'

/**
 * Plans docs/guarantees.md as `npm run guarantees` would write it, where the plan adds to test/guarantees/: one of the tests
 * fails when it is out of date.
 */
export async function guarantee(plan: Plan): Promise<void> {
  const planned = new Map(plan.changes().map(({ path, after }) => [path, after]))
  if (![...planned.keys()].some((path) => path.startsWith('test/guarantees/'))) return
  // Only here, for it loads the compiler.
  const { renderGuarantees } = await import('../scripts/guarantees-page.ts')
  await plan.edit('docs/guarantees.md', await renderGuarantees(planned))
}
