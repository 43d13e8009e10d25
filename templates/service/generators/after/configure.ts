import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withCopy, writePlanned } from '../engine/copy.ts'
import type { Plan } from '../engine/plan.ts'

/** Plans README.md and .env.example as `npm run config -- --write` would: a test fails when they are out of date. */
export async function configure(plan: Plan): Promise<void> {
  if (!plan.changes().some(({ path }) => path === 'src/config.ts')) return
  // Imported here because these modules load src/config.ts.
  const { renderPages } = await import('../../scripts/pages/config-pages.ts')
  const { settings } = await import('../../scripts/pages/settings.ts')
  const rows = await withCopy(plan.root, ['package.json', 'src'], async (copy) => {
    await writePlanned(plan, copy)
    const planned = pathToFileURL(join(copy, 'src/config.ts')).href
    const { Environment } = (await import(planned)) as typeof import('../../src/config.ts')
    return settings({}, Environment)
  })
  const read = async (path: string): Promise<string> => {
    const text = await plan.read(path)
    if (text === undefined)
      throw new Error(`${path} is missing: restore it, because it documents the configuration.`)
    return text
  }
  for (const [path, text] of Object.entries(await renderPages(rows, read))) await plan.edit(path, text)
}
