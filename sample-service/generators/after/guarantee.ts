import type { Plan } from '../engine/plan.ts'

/** Plans docs/guarantees.md as `npm run guarantees` would write it: a test fails when the page is out of date. */
export async function guarantee(plan: Plan): Promise<void> {
  const planned = new Map(plan.changes().map(({ path, after }) => [path, after]))
  if (![...planned.keys()].some((path) => path.startsWith('test/guarantees/'))) return
  // Imported here because it loads the compiler.
  const { renderGuarantees } = await import('../../scripts/pages/guarantees-page.ts')
  await plan.edit('docs/guarantees.md', await renderGuarantees(planned))
}
